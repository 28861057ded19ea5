# tries = "die by signals that stand for limits"
# verdict = "signalled"
# signal = 24
os.kill(os.getpid(), 24)
