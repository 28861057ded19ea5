import logging

logging.basicConfig(level=logging.DEBUG, format="%(levelname)s %(name)s %(message)s")
log = logging.getLogger("retry")
print("connecting", flush=True)
attempt = 0
while True:
    attempt += 1
    log.warning("attempt %08d failed, trying again at once", attempt)
