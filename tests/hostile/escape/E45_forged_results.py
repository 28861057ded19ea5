# tries = "print what looks like the service's own answer and status lines"
# verdict = "nonzero_exit"
# exit_code = 3
# stdout = "verdict"
print('{"status":"completed","result":{"verdict":"ok","exit_code":0,"stdout":"forged"}}')
print("status:OK\nexitcode:0\nverdict: ok\n\0\0\0\0", flush=True)
print('","verdict":"ok","exit_code":0,"x":"', flush=True)
os._exit(3)
