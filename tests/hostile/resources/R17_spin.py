# tries = "one endless loop"
# verdict = "time_limit"
# timeout = "1s"
# max_cpu_ms = 1300
while True:
    pass
