// How VS Code comes to a vmdbg, and what it is told where that fails: left alone, it says nothing at all.
"use strict";

const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const vscode = require("vscode");

const LOOPBACK = "127.0.0.1";
const SETTING = "vmdbg.path";
const OPEN = "Open the Setting";

function isProgram(file) {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}

/** The file that a shell in `folder` would start for `command`; undefined where there is none. */
function located(command, folder) {
  const full = command.replace(/^~(?=\/)/, os.homedir()).replaceAll("${workspaceFolder}", folder);
  const places = full.includes(path.sep) ? [folder] : (process.env.PATH ?? "").split(path.delimiter);
  return places.map((place) => path.resolve(place, full)).find(isProgram);
}

function programOf(session) {
  return session.configuration.adapter || vscode.workspace.getConfiguration("vmdbg").get("path") || "vmdbg";
}

async function offerSetting(message) {
  if ((await vscode.window.showErrorMessage(message, OPEN)) === OPEN) {
    await vscode.commands.executeCommand("workbench.action.openSettings", SETTING);
  }
}

/** Starts `vmdbg dap`, or goes to the port where a machine is served. */
class AdapterFactory {
  createDebugAdapterDescriptor(session) {
    const { port, host } = session.configuration;
    if (port !== undefined) {
      return new vscode.DebugAdapterServer(port, host ?? LOOPBACK);
    }
    const command = programOf(session);
    const folder = session.workspaceFolder?.uri.fsPath ?? os.homedir();
    const program = located(command, folder);
    if (program === undefined) {
      const why = command.includes(path.sep) ? "is no program" : "is in no folder of PATH";
      throw new Error(
        `${command} ${why}. The setting "${SETTING}" says where vmdbg is; in a remote window or a browser, ` +
          "that among the settings of the remote machine.",
      );
    }
    return new vscode.DebugAdapterExecutable(program, ["dap"], { cwd: folder });
  }
}

/** What an adapter dies of before it has said a word. */
class EarlyDeaths {
  createDebugAdapterTracker(session) {
    const { port, host } = session.configuration;
    const there = port === undefined ? `\`${programOf(session)} dap\`` : `${host ?? LOOPBACK}:${port}`;
    const hint = port === undefined ? ". In a terminal it says why." : "";
    let over = false;
    const say = (what) => {
      if (!over) {
        over = true;
        void offerSetting(`vmdbg: no answer of ${there} (${what})${hint}`);
      }
    };
    return {
      onDidSendMessage: () => (over = true),
      onWillStopSession: () => (over = true),
      onError: (error) => say(error.message),
      onExit: (code) => say(`it ended with ${code}`),
    };
  }
}

module.exports = { AdapterFactory, EarlyDeaths };
