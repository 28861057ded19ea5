# tries = "200 000 nested parentheses for Python's parser"
# verdict = ["nonzero_exit", "signalled"]
# prelude = false
# expand = [{ token = "@OPEN@", text = "(", count = 200000 }]
x = @OPEN@1
