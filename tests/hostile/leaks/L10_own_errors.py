# tries = "find paths of the host in error texts"
# verdict = "nonzero_exit"
# stderr = "File \"/box/main.py\""
import importlib

importlib.import_module("nothing.of.the.kind")
