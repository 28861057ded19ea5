# tries = "a system call of the x32 architecture"
# verdict = "policy_violation"
# signal = 31
raw(0x40000000 + 39)
print("survived")
