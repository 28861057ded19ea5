# tries = "9**9**9"
# verdict = ["time_limit", "memory_limit"]
# timeout = "1s"
print(9**9**9)
