# tries = "eight endless loops"
# verdict = "time_limit"
# timeout = "1s"
# health_ms = 100
for _ in range(7):
    if os.fork() == 0:
        break
while True:
    pass
