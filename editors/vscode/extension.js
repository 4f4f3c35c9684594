// The extension: how VS Code comes to a vmdbg. Everything else is the Debug Adapter Protocol's.
"use strict";

const vscode = require("vscode");

const { AdapterFactory, EarlyDeaths } = require("./adapter");
const { Pages } = require("./pages");

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
  const pages = new Pages();
  context.subscriptions.push(
    vscode.debug.registerDebugAdapterTrackerFactory("vmdbg", pages),
    vscode.debug.registerDebugAdapterTrackerFactory("vmdbg", new EarlyDeaths()),
    vscode.commands.registerCommand("vmdbg.timeline", () => pages.show()),
    vscode.debug.registerDebugAdapterDescriptorFactory("vmdbg", new AdapterFactory()),
    vscode.debug.registerDebugConfigurationProvider("vmdbg", new Configurations()),
  );
}

module.exports = { activate };
