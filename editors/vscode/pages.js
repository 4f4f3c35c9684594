// The machine's page for browsers, in a panel.
"use strict";

const vscode = require("vscode");

const PAGE = /^the page for browsers: (http:\/\/(?:127\.0\.0\.1|localhost|\[::1\]):\d+\/\S*)/m;
const HINT = 'vmdbg: the machine has no page; "web": true in the launch configuration serves one';

/** `url` as the editor's own window reaches it. A forwarded port is that alone to some editors: the path is ours. */
async function reachable(url) {
  const here = vscode.Uri.parse(url, true);
  const there = await vscode.env.asExternalUri(here);
  return there.path.endsWith(here.path) ? there : there.with({ path: there.path.replace(/\/$/, "") + here.path });
}

/** Where the pages of the sessions are: the adapter says it once, before anything else. */
class Pages {
  constructor() {
    this.urls = new Map();
  }

  createDebugAdapterTracker(session) {
    return {
      onDidSendMessage: (message) => {
        const found = message.event === "output" ? PAGE.exec(message.body.output) : null;
        if (found !== null && !this.urls.has(session.id)) {
          this.urls.set(session.id, found[1]);
        }
      },
      onWillStopSession: () => this.urls.delete(session.id),
    };
  }

  /** The page in a panel: a frame of the machine's own server, and nothing else. */
  async show() {
    const url = this.urls.get(vscode.debug.activeDebugSession?.id);
    if (url === undefined) {
      vscode.window.showInformationMessage(HINT);
      return;
    }
    const there = await reachable(url);
    const source = there.toString(true).replace(/[&"<>]/g, encodeURIComponent);
    const panel = vscode.window.createWebviewPanel("vmdbg.timeline", "vmdbg", vscode.ViewColumn.Beside, {
      enableScripts: true,
      retainContextWhenHidden: true,
    });
    panel.webview.html = `<!DOCTYPE html><meta http-equiv="Content-Security-Policy"
      content="default-src 'none'; frame-src ${there.scheme}://${there.authority}; style-src 'unsafe-inline'">
      <style>html, body { height: 100%; margin: 0; padding: 0 } iframe { border: 0; width: 100%; height: 100% }</style>
      <iframe src="${source}" sandbox="allow-scripts allow-same-origin allow-forms allow-downloads"></iframe>`;
  }
}

module.exports = { Pages };
