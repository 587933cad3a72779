// The search in a site that is opened from a folder. There a browser refuses workers, so the script of the search's worker
// runs in a hidden frame instead, which answers as a worker does. It must be loaded before the theme's own script.
if (location.protocol === "file:") {
  window.Worker = window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super();
      this.waiting = [];
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      this.frame.title = "search";
      this.frame.srcdoc = "<!doctype html><title>search</title>";
      this.frame.addEventListener("load", () => {
        const inside = this.frame.contentWindow;
        inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
        const script = inside.document.createElement("script");
        script.src = new URL(url, location.href).href;
        script.addEventListener("load", () => {
          const waiting = this.waiting;
          this.waiting = null;
          for (const data of waiting) this.postMessage(data);
        });
        inside.document.head.append(script);
      }, { once: true });
      document.body.append(this.frame);
    }

    postMessage(data) {
      if (this.waiting) this.waiting.push(data);
      else this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data }));
    }

    terminate() {
      this.frame.remove();
    }
  };
}
