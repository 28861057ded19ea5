# tries = "die by the signal that the service's own limits use"
# verdict = "signalled"
# signal = 9
os.kill(os.getpid(), 9)
