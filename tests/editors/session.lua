-- nvim-dap at the sample kernel, headless: VMDBG_NVIM_DAP has the plug-in, VMDBG_* what to start and where to say it.
vim.opt.rtp:prepend(vim.env.VMDBG_NVIM_DAP)
local dap = require("dap")
local out = assert(io.open(vim.env.VMDBG_OUT, "w"))
local function say(...)
  out:write(table.concat(vim.tbl_map(tostring, { ... }), " ") .. "\n")
  out:flush()
end
dap.adapters.vmdbg = { type = "executable", command = vim.env.VMDBG_PYTHON, args = { "-m", "vmdbg", "dap" } }
vim.cmd("edit " .. vim.env.VMDBG_SOURCE)
vim.api.nvim_win_set_cursor(0, { tonumber(vim.env.VMDBG_LINE), 0 })
dap.toggle_breakpoint()
local steps = { dap.continue, dap.step_over, dap.step_back, dap.step_into, dap.step_out, dap.reverse_continue }
local stops = 0
dap.listeners.after.event_stopped["test"] = function(session, body)
  stops = stops + 1
  local function go()
    local frame = session.current_frame
    if not frame then
      vim.defer_fn(go, 20)
      return
    end
    say(body.reason, frame.source and frame.source.name or "none", frame.line)
    if steps[stops] then
      steps[stops]()
      return
    end
    session:evaluate("rip", function(err, response)
      say("rip", err and vim.inspect(err) or response.result)
      dap.terminate()
    end)
  end
  session.current_frame = nil
  vim.defer_fn(go, 20)
end
dap.listeners.after.event_terminated["test"] = function()
  say("terminated")
  vim.defer_fn(function() vim.cmd("qa!") end, 100)
end
dap.run({ type = "vmdbg", request = "launch", name = "sample", stopOnEntry = true })
vim.defer_fn(function() vim.cmd("cq!") end, 60000)
