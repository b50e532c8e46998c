// The browser's camera: frames as JPEG, one after the other, never a queue of them.

import { CAMERA } from "./words.js";

const LONG_SIDE = 1280;
const QUALITY = 0.85;

export class Camera {
  constructor(video, stopped) {
    this.video = video;
    this.stopped = stopped;
    this.canvas = document.createElement("canvas");
  }

  async start(size) {
    if (!navigator.mediaDevices) throw new Error(CAMERA.insecure);
    const wanted = { width: { ideal: size[0] }, height: { ideal: size[1] }, frameRate: { ideal: 30 } };
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    } catch (error) {
      throw new Error(CAMERA[error.name] || CAMERA.other);
    }
    for (const track of this.stream.getTracks()) track.onended = () => this.stopped(CAMERA.stopped);
    this.video.srcObject = this.stream;
    await this.video.play();
  }

  get ready() {
    return this.stream !== undefined && this.video.videoWidth > 0 && !this.video.paused;
  }

  async jpeg() {
    const { videoWidth, videoHeight } = this.video;
    const scale = Math.min(1, LONG_SIDE / Math.max(videoWidth, videoHeight));
    this.canvas.width = Math.round(videoWidth * scale);
    this.canvas.height = Math.round(videoHeight * scale);
    this.canvas.getContext("2d").drawImage(this.video, 0, 0, this.canvas.width, this.canvas.height);
    const blob = await new Promise((done) => this.canvas.toBlob(done, "image/jpeg", QUALITY));
    return blob === null ? null : blob.arrayBuffer();
  }

  stop() {
    if (this.stream === undefined) return;
    for (const track of this.stream.getTracks()) {
      track.onended = null;
      track.stop();
    }
    this.video.srcObject = null;
    this.stream = undefined;
  }
}
