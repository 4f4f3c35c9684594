// The extension: how VS Code comes to a vmdbg. Everything else is the Debug Adapter Protocol's.
"use strict";

const vscode = require("vscode");

const LOOPBACK = "127.0.0.1";

/** Starts `vmdbg dap`, or goes to the port where a machine is served. */
class AdapterFactory {
  createDebugAdapterDescriptor(session) {
    const { port, host } = session.configuration;
    if (port !== undefined) {
      return new vscode.DebugAdapterServer(port, host ?? LOOPBACK);
    }
    const settings = vscode.workspace.getConfiguration("vmdbg");
    const folder = session.workspaceFolder?.uri.fsPath;
    const command = session.configuration.adapter ?? settings.get("path");
    return new vscode.DebugAdapterExecutable(command, ["dap"], folder === undefined ? {} : { cwd: folder });
  }
}

/** F5 without a launch.json is the sample kernel; an attach without a port has nowhere to go. */
class Configurations {
  resolveDebugConfiguration(_folder, configuration) {
    if (!configuration.type && !configuration.request && !configuration.name) {
      return { type: "vmdbg", request: "launch", name: "the sample kernel", stopOnEntry: true };
    }
    if (configuration.request === "attach" && configuration.port === undefined) {
      vscode.window.showErrorMessage("vmdbg: attach needs the port that `vmdbg run --dap PORT` has");
      return undefined;
    }
    return configuration;
  }
}

const PAGE = /^the page for browsers: (http:\/\/(?:127\.0\.0\.1|localhost|\[::1\]):\d+\/\S*)/m;
const HINT = 'vmdbg: the machine has no page; "web": true in the launch configuration serves one';

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
    const there = await vscode.env.asExternalUri(vscode.Uri.parse(url, true));
    const source = there.toString(true).replace(/[&"<>]/g, encodeURIComponent);
    const panel = vscode.window.createWebviewPanel("vmdbg.timeline", "vmdbg", vscode.ViewColumn.Beside, {
      enableScripts: true,
      retainContextWhenHidden: true,
    });
    panel.webview.html = `<!DOCTYPE html><meta http-equiv="Content-Security-Policy"
      content="default-src 'none'; frame-src ${there.scheme}://${there.authority}; style-src 'unsafe-inline'">
      <style>html, body { height: 100%; margin: 0 } iframe { border: 0; width: 100%; height: 100% }</style>
      <iframe src="${source}" sandbox="allow-scripts allow-same-origin allow-forms allow-downloads"></iframe>`;
  }
}

function activate(context) {
  const pages = new Pages();
  context.subscriptions.push(
    vscode.debug.registerDebugAdapterTrackerFactory("vmdbg", pages),
    vscode.commands.registerCommand("vmdbg.timeline", () => pages.show()),
    vscode.debug.registerDebugAdapterDescriptorFactory("vmdbg", new AdapterFactory()),
    vscode.debug.registerDebugConfigurationProvider("vmdbg", new Configurations()),
  );
}

module.exports = { activate };
