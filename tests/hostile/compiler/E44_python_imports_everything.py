# tries = "run code of the host's site packages and of its own folder in place of the library's"
# verdict = "ok"
# expect = { "own" = "ran confined", "site" = "none|ENOENT|[0-9]+ entries" }
with open("colorsys.py", "w") as f:
    f.write("import os\nprint('own: ran confined' if os.getuid() == 1000 else 'own: as root')\n")
import colorsys  # noqa: E402,F401

import site  # noqa: E402

say("site", "none" if not os.path.isdir(site.getusersitepackages()) else "there")
