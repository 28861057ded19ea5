# tries = "one endless loop"
# verdict = "time_limit"
# timeout = "1s"
# max_cpu_ms = 1100
while True:
    pass
