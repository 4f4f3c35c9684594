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

function activate(context) {
  context.subscriptions.push(
    vscode.debug.registerDebugAdapterDescriptorFactory("vmdbg", new AdapterFactory()),
    vscode.debug.registerDebugConfigurationProvider("vmdbg", new Configurations()),
  );
}

module.exports = { activate };
