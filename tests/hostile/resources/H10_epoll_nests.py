# tries = "nest epoll sets in each other and in circles"
# verdict = "ok"
# expect = { "circle" = "ELOOP", "deep" = "EINVAL|ELOOP after [0-9]+|EMFILE after [0-9]+" }
import select

a, b = select.epoll(), select.epoll()
a.register(b.fileno(), 1)
attempt("circle", lambda: b.register(a.fileno(), 1))
chain = [select.epoll()]
try:
    while True:
        outer = select.epoll()
        outer.register(chain[-1].fileno(), 1)
        chain.append(outer)
except OSError as error:
    say("deep", f"{errno_name(error.errno)} after {len(chain)}" if error.errno != 22 else "EINVAL")
