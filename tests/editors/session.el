;;; session.el --- dap-mode at the sample kernel, without a terminal  -*- lexical-binding: t -*-

;; VMDBG_* in the environment: what to start, where to break, and where to say what came of it.

(package-initialize)
(require 'dap-ui)
(load (getenv "VMDBG_GUIDE"))

(setq dap-auto-configure-features nil
      dap-auto-show-output nil
      dap-breakpoints-file (expand-file-name "breakpoints" (getenv "VMDBG_FOLDER")))

(defvar said nil)
(defvar over nil)

(defun say (&rest words)
  (push (mapconcat (lambda (word) (format "%s" word)) words " ") said))

(defun at (session)
  "What is shown, and where point is in it."
  (let ((frame (dap--debug-session-active-frame session)))
    (with-current-buffer (window-buffer)
      (say (file-name-nondirectory buffer-file-name) (line-number-at-pos (window-point)) (gethash "name" frame)))))

(defvar moves
  (list (lambda (session) (dap-continue session (dap--debug-session-thread-id session)))
        #'dap-next
        #'vmdbg-step-back
        #'dap-step-in
        #'dap-step-out
        #'vmdbg-reverse-continue
        (lambda (session)
          (dap-request session "evaluate" :expression "loader" :context "watch"
                       :frameId (gethash "id" (dap--debug-session-active-frame session))))))

(defun next-move (session)
  (at session)
  (let ((move (pop moves)))
    (if moves
        (funcall move session)
      (say "loader" (gethash "result" (funcall move session)))
      (dap-disconnect session))))

(add-hook 'dap-stack-frame-changed-hook
          (lambda (session)
            (when (dap--debug-session-active-frame session)
              (run-at-time 0 nil #'next-move session))))
(add-hook 'dap-terminated-hook (lambda (_session) (setq over t)))

(find-file (getenv "VMDBG_SOURCE"))
(goto-char (point-min))
(forward-line (1- (string-to-number (getenv "VMDBG_LINE"))))
(dap-breakpoint-add)
(dap-debug (list :type "vmdbg" :request "launch" :name "sample" :stopOnEntry t))

(with-timeout (100 (say "too late"))
  (while (not over)
    (accept-process-output nil 0.1)))
(let ((processes (delq nil (mapcar #'process-live-p (process-list)))))
  (say (if over "terminated" "runs") (length processes)))
(write-region (mapconcat #'identity (reverse said) "\n") nil (getenv "VMDBG_OUT"))
;;; session.el ends here
