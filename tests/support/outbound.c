/* Writes down each connection beyond this machine and each look-up of a name: LD_PRELOAD. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static void note(const char *what, const char *whom) {
  const char *path = getenv("OUTBOUND_RECORD");
  int file = path ? open(path, O_WRONLY | O_APPEND | O_CREAT, 0644) : -1;
  char line[512];
  int size = snprintf(line, sizeof line, "%s %s\n", what, whom);
  if (file < 0) return;
  if (write(file, line, size < (int)sizeof line ? size : (int)sizeof line) < 0) abort();
  close(file);
}

static const void *bytes_of(const struct sockaddr *a) {
  return a->sa_family == AF_INET ? (const void *)&((const struct sockaddr_in *)a)->sin_addr
                                 : (const void *)&((const struct sockaddr_in6 *)a)->sin6_addr;
}

static int is_own(const struct sockaddr *a) {
  struct ifaddrs *all = NULL;
  size_t size = a->sa_family == AF_INET ? 4 : 16;
  if (a->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)bytes_of(a))) {
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    memcpy(&v4.sin_addr, (const char *)bytes_of(a) + 12, 4);
    return is_own((const struct sockaddr *)&v4);
  }
  int own = a->sa_family == AF_INET && *(const unsigned char *)bytes_of(a) == 127;
  if (getifaddrs(&all) != 0) return own;
  for (struct ifaddrs *i = all; i; i = i->ifa_next)
    if (i->ifa_addr && i->ifa_addr->sa_family == a->sa_family)
      own |= memcmp(bytes_of(i->ifa_addr), bytes_of(a), size) == 0;
  freeifaddrs(all);
  return own;
}

/* Datagrams count when they are sent: connecting such a socket is how one's own address is found. */
static void see(int fd, const struct sockaddr *to, int sends) {
  struct sockaddr_storage peer;
  socklen_t size = sizeof peer, kind_size = sizeof(int);
  int kind = 0;
  char text[INET6_ADDRSTRLEN + 16];
  getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &kind_size);
  if ((kind == SOCK_DGRAM) != sends) return;
  if (!to && getpeername(fd, (struct sockaddr *)&peer, &size) == 0) to = (struct sockaddr *)&peer;
  if (!to || (to->sa_family != AF_INET && to->sa_family != AF_INET6) || is_own(to)) return;
  inet_ntop(to->sa_family, bytes_of(to), text, INET6_ADDRSTRLEN);
  note("connect", text);
}

int connect(int fd, const struct sockaddr *to, socklen_t size) {
  see(fd, to, 0);
  return REAL(connect)(fd, to, size);
}

ssize_t send(int fd, const void *what, size_t size, int flags) {
  see(fd, NULL, 1);
  return REAL(send)(fd, what, size, flags);
}

ssize_t sendto(int fd, const void *what, size_t size, int flags, const struct sockaddr *to, socklen_t n) {
  see(fd, to, 1);
  return REAL(sendto)(fd, what, size, flags, to, n);
}

ssize_t sendmsg(int fd, const struct msghdr *what, int flags) {
  see(fd, what->msg_name, 1);
  return REAL(sendmsg)(fd, what, flags);
}

static void look_up(const char *name) {
  unsigned char address[16];
  char own[256] = "";
  gethostname(own, sizeof own - 1);
  if (name && *name && strcmp(name, "localhost") && strcmp(name, own) &&
      inet_pton(AF_INET, name, address) != 1 && inet_pton(AF_INET6, name, address) != 1)
    note("look-up", name);
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
  look_up(name);
  return REAL(getaddrinfo)(name, service, hints, found);
}

struct hostent *gethostbyname(const char *name) {
  look_up(name);
  return REAL(gethostbyname)(name);
}

int gethostbyname_r(const char *name, struct hostent *ret, char *buffer, size_t size, struct hostent **result, int *error) {
  look_up(name);
  return REAL(gethostbyname_r)(name, ret, buffer, size, result, error);
}
