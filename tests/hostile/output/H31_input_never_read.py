# tries = "leave 8 MiB of input unread and end"
# verdict = "ok"
# stdin_size = 8388608
# within_ms = 1500
