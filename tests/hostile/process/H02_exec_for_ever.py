# tries = "replace itself for ever"
# verdict = "time_limit"
# timeout = "1s"
os.execv("/bin/sh", ["sh", "-c", 'exec /bin/sh -c "$0" "$0"', 'exec /bin/sh -c "$0" "$0"'])
