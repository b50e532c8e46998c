// All that the page says that is not in its HTML.

export const VIEWS = { class: "class view", individual: "individual view" };

export const PURPOSE = {
  class:
    "A page for trying out what a reading of a whole group's faces can show, live: how many faces " +
    "there are, which labels they would get, and when that changes.",
  individual:
    "A page for one consenting person at their own camera, who sees which labels their own face " +
    "would get.",
};

export function does(welcome) {
  if (welcome.view === "individual") {
    return [
      "Your browser sends pictures of your camera to this server, which holds them in memory for the moment of reading and no longer.",
      "Of several faces in the picture the largest alone is read. Its emotions are answered to this page alone.",
      "Nothing is stored: no picture, no emotion, no timeline.",
    ];
  }
  const from =
    welcome.source === "server"
      ? "The server watches its own source. Its pictures stay in its memory and never come to this page, which shows where faces are and no more."
      : "Your browser sends pictures of your camera to this server, which holds them in memory for the moment of reading and no longer.";
  const more = welcome.valence
    ? []
    : ["Valence is left out: the model's classes are not the seven emotions that it needs."];
  return [
    from,
    `Of single faces it tells where they are, nothing else. Emotions are told of groups of at least ${welcome.min_group} faces, as shares in steps of 5 %, of fewer than 20 as ranges, and so that no difference of two windows is about one face.`,
    welcome.source === "server"
      ? "Nobody is recognised. Nothing is stored; the timeline is gone when this server ends."
      : "Nobody is recognised. Nothing is stored but a random key, by which all tabs of this browser share one session; its timeline is gone two minutes after the last of them is closed.",
    ...more,
  ];
}

export const STATES = {
  off: "not started",
  connecting: "connecting …",
  on: "live",
  paused: "paused",
  lost: "link lost, trying again …",
  ended: "ended",
};

export const CAMERA = {
  NotAllowedError:
    "The browser gives no permission for the camera. Allow it by the sign beside the address, then start again.",
  NotFoundError: "No camera was found. Connect one, then start again.",
  NotReadableError: "The camera is in use by another program. Close that, then start again.",
  OverconstrainedError: "The camera gives no picture of a usual size.",
  insecure:
    "Browsers give their camera to https only, or to localhost. Open this page as https, or on the machine of the server.",
  other: "The camera can't be used.",
  stopped: "The camera stopped: it was unplugged, or its permission was taken back.",
};

export const SOURCE = {
  ended: "The server's film has ended.",
  lost: "The server's source dropped and did not come back.",
};

export const TAKEN = "This session goes on in another tab of this browser. Start here to take it over.";

export const NOBODY = "No face in sight";
export const WAITING = "waiting for the first picture …";

export function percent(share) {
  return `${Math.round(100 * share)} %`;
}

// What is told of a class in a window: a share, or of few faces how many at least and at most.
export function shareOf(window, name) {
  if (!window.counts) return percent(window.shares[name]);
  const [least, most] = window.counts[name];
  if (least === 0) return `at most ${most} of ${window.faces}`;
  if (most === window.faces) return `at least ${least} of ${window.faces}`;
  return `${least} to ${most} of ${window.faces}`;
}

export function signed(value) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
}

export function clock(seconds) {
  const whole = Math.round(seconds);
  const rest = String(whole % 60).padStart(2, "0");
  return `${Math.floor(whole / 60)}:${rest}`;
}
