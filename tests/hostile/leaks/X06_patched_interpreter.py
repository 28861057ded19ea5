# tries = "patch the interpreter for the next job, and look for patches of an earlier one"
# verdict = "ok"
# rounds = 3
# expect = { "patched" = "no", "module" = "no", "thread" = "1" }
import atexit
import builtins
import threading

say("patched", "yes" if hasattr(builtins, "left_behind") else "no")
say("module", "yes" if "left_behind" in sys.modules else "no")
say("thread", threading.active_count())
builtins.left_behind = builtins.print
sys.modules["left_behind"] = sys
atexit.register(os.listdir, "/")
threading.Thread(target=threading.Event().wait, daemon=True).start()
