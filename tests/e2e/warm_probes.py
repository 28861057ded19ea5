"""Programs whose output tells what a Python program can observe of its start, its streams and its end.

Each prints only what is the same from run to run: warm and cold must not differ in a byte. A value is
the code, or a pair of code and stdin.
"""

PROBES = {
    # What a program is told about itself.
    "name": "print(__name__)",
    "file": "print(__file__)",
    "argv": "import sys; print(sys.argv)",
    "orig_argv": "import sys; print(sys.orig_argv)",
    "path": "import sys; print(sys.path)",
    "executable": "import sys; print(sys.executable, sys.prefix, sys.base_prefix, sys.exec_prefix)",
    "flags": "import sys; print(sys.flags)",
    "modules": "import sys; print(sorted(sys.modules))",
    "modules_in_order": "import sys; print(list(sys.modules))",
    "globals": "print(sorted(globals()))",
    "main_attributes": """
import sys
main = sys.modules["__main__"]
print(main.__doc__, main.__package__, main.__spec__, main.__builtins__, type(main.__loader__))
print(main.__loader__.name, main.__loader__.path, main.__dict__ is globals())
""",
    "docstring": '"""A document."""\nprint(__doc__)',
    "future": "from __future__ import annotations\ndef f(x: nowhere): pass\nprint(f.__annotations__)",
    "path_importer_cache": "import sys; print(sorted(sys.path_importer_cache))",
    "meta_path": "import sys; print(sys.meta_path, sys.path_hooks[0])",
    "builtins": "import builtins; print(len(dir(builtins)), sorted(dir(builtins)))",
    "no_frame_below": "import sys; f = sys._getframe(); print(f.f_back, f.f_code.co_name, f.f_lineno)",
    "stack": "import traceback; traceback.print_stack(); import inspect; print(len(inspect.stack()))",
    "recursion_limit": """
import sys
print(sys.getrecursionlimit())
depth = 0
def f():
    global depth
    depth += 1
    f()
try:
    f()
except RecursionError as e:
    print(depth, e)
""",
    "implementation": "import sys; print(sys.version, sys.implementation, sys.api_version)",
    "switch_interval": "import sys; print(sys.getswitchinterval(), sys.getdlopenflags())",
    "gc": "import gc; print(gc.isenabled(), gc.get_threshold(), gc.garbage, gc.callbacks)",
    "int_limit": "import sys; print(sys.get_int_max_str_digits())",
    "hooks": "import sys; print(sys.excepthook, sys.displayhook, sys.gettrace(), sys.getprofile())",
    # Processes.
    "environment": "import os; print(sorted(os.environ.items()))",
    "environment_of_a_child": "import os; print(os.popen('env | sort').read())",
    "proc_environ": r"print(sorted(open('/proc/self/environ').read().split('\0')))",
    "proc_cmdline": "print(open('/proc/self/cmdline').read().split(chr(0)))",
    "proc_comm": "print(open('/proc/self/comm').read())",
    "proc_cgroup": "print(open('/proc/self/cgroup').read())",
    "proc_exe": "import os; print(os.readlink('/proc/self/exe'), os.readlink('/proc/self/cwd'))",
    "proc_root": "import os; print(sorted(os.listdir('/')), os.readlink('/proc/self/root'))",
    "proc_mounts": """
for line in open('/proc/self/mountinfo'):
    words = line.split()
    print(words[4], words[5], words[words.index('-') + 1])
""",
    "proc_status": """
keep = ("Name", "Umask", "Uid", "Gid", "Groups", "Threads", "SigQ", "SigPnd", "ShdPnd", "SigBlk", "SigIgn",
        "SigCgt", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "CoreDumping")
for line in open('/proc/self/status'):
    if line.split(":")[0] in keep:
        print(line.strip())
""",
    "proc_limits": "print(open('/proc/self/limits').read())",
    "proc_pids": "import os; print(sorted(p for p in os.listdir('/proc') if p.isdigit() and p != str(os.getpid())))",
    "oom_score_adj": "print(open('/proc/self/oom_score_adj').read())",
    "ids": "import os; print(os.getuid(), os.geteuid(), os.getgid(), os.getgroups(), os.getppid())",
    "session": "import os; print(os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid(), os.getppid())",
    "cwd_and_umask": "import os; print(os.getcwd(), oct(os.umask(0)), os.listdir('.'))",
    "priority": "import os; print(os.nice(0), os.sched_getscheduler(0), os.sched_getaffinity(0))",
    "descriptors": """
import os
for fd in sorted(os.listdir('/proc/self/fd'), key=int):
    try:
        print(fd, os.readlink(f'/proc/self/fd/{fd}').split(':')[0])
    except OSError as e:
        print(fd, e.errno)
""",
    "descriptor_flags": """
import fcntl, os, stat
for fd in range(3):
    s = os.fstat(fd)
    print(fd, oct(stat.S_IFMT(s.st_mode)), s.st_blksize, fcntl.fcntl(fd, fcntl.F_GETFL), fcntl.fcntl(fd, fcntl.F_GETFD))
""",
    "rlimits": """
import resource
for name in sorted(n for n in dir(resource) if n.startswith('RLIMIT_')):
    print(name, resource.getrlimit(getattr(resource, name)))
""",
    "network": "import socket; print(socket.gethostname(), socket.if_nameindex())",
    "loopback": """
import socket, threading
server = socket.create_server(('127.0.0.1', 0))
client = socket.create_connection(server.getsockname())
peer, _ = server.accept()
peer.sendall(b'over lo'); print(client.recv(100))
""",
    "dumpable": "import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))",
    "child_sees_parent": """
import os, sys
pid = os.fork()
if pid == 0:
    print(os.path.exists(f'/proc/{os.getppid()}/fd'), os.access(f'/proc/{os.getppid()}/environ', os.R_OK))
    sys.stdout.flush(); os._exit(0)
print(os.waitpid(pid, 0)[1])
""",
    # Signals.
    "signals": """
import signal
for s in sorted(signal.valid_signals()):
    print(int(s), signal.getsignal(s))
print(signal.pthread_sigmask(signal.SIG_BLOCK, []))
""",
    "sigint": "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(1)",
    "sigterm": "import os, signal; print('x', flush=True); os.kill(os.getpid(), signal.SIGTERM)",
    "sigpipe": """
import os
r, w = os.pipe(); os.close(r)
try:
    os.write(w, b'x')
except BrokenPipeError as e:
    print(e)
""",
    "alarm": """
import signal, time
signal.signal(signal.SIGALRM, lambda *a: print('alarm'))
signal.setitimer(signal.ITIMER_REAL, 0.01)
signal.pause()
""",
    "segv": "import ctypes; print('before', flush=True); ctypes.string_at(0)",
    "abort": "import os; os.abort()",
    "sigchld": "import subprocess; print(subprocess.run(['true']).returncode, subprocess.call('exit 3', shell=True))",
    # Streams.
    "stdout_settings": """
import sys
for s in (sys.stdin, sys.stdout, sys.stderr):
    print(s.encoding, s.errors, s.line_buffering, s.write_through, s.name, s.mode, s.newlines, s.isatty(), s.fileno())
    print(type(s.buffer), s.buffer.raw.mode, s.buffer.raw.closefd, s.seekable(), s.buffer.raw.seekable())
print(sys.stdout is sys.__stdout__, sys.stdin is sys.__stdin__)
""",
    "stdout_order": """
import os, sys
sys.stdout.write('buffered '); os.write(1, b'direct '); sys.stderr.write('err'); print('last', flush=True)
""",
    "stdout_large": "print('x' * 100_000); print('y' * 100_000)",
    "stdout_binary": "import sys; sys.stdout.buffer.write(bytes(range(256)))",
    "stdout_unicode": "print('žluťoučký 漢字 😀')",
    "stdout_surrogate": "print('\\udc80')",
    "stdout_closed": "import sys; sys.stdout.close(); print('x', file=sys.stderr)",
    "stdout_fd_closed": "import os; print('lost'); os.close(1)",
    "stdin_read": ("import sys; print(repr(sys.stdin.read()))", "one\ntwo\r\nthree"),
    "stdin_lines": ("import sys\nfor line in sys.stdin: print(repr(line))", "a\nb\nc"),
    "stdin_input": ("print(input('? ')); print(input())\ntry: input()\nexcept EOFError as e: print(repr(e))", "1\n2\n"),
    "stdin_empty": "import sys; print(repr(sys.stdin.read()), sys.stdin.buffer.read())",
    "stdin_binary": ("import sys; print(sys.stdin.buffer.read())", "a\x00b\n"),
    "stdin_seek": ("import sys; print(sys.stdin.seekable(), sys.stdin.buffer.tell(), sys.stdin.read(3), sys.stdin.buffer.tell());"
                   "sys.stdin.seek(0); print(sys.stdin.read())", "abcdef"),
    "stdin_position": ("import os; print(os.lseek(0, 0, 1), os.fstat(0).st_size, os.read(0, 3), os.lseek(0, 0, 1))", "abcdef"),
    "stdin_of_a_child": ("import subprocess; print(subprocess.run(['cat'], capture_output=True).stdout)", "for the child"),
    "stdin_large": ("import sys; d = sys.stdin.read(); print(len(d), hash(d) == hash(d))", "0123456789" * 100_000),
    "stdin_not_writable": """
import os
for flags in (os.O_WRONLY, os.O_RDWR | os.O_TRUNC):
    try:
        print(os.write(os.open('/proc/self/fd/0', flags), b'x'))
    except OSError as e:
        print(e.errno)
""",
    "warnings": "import warnings; warnings.warn('careful'); warnings.warn('old', DeprecationWarning)",
    "syntax_warning": "x = 1\nprint(x is 1)",
    "resource_warning": "import sys; print(sys.warnoptions); open('/etc/passwd')",
    # Tracebacks.
    "traceback": "def f(n):\n    return 1 // n\n\nprint('before')\nf(0)\n",
    "traceback_chained": "try:\n    {}['a']\nexcept KeyError as e:\n    raise ValueError('b') from e\n",
    "traceback_context": "try:\n    {}['a']\nexcept KeyError:\n    int('x')\n",
    "traceback_recursion": "def f(): f()\nf()",
    "traceback_note": "e = ValueError('v'); e.add_note('a note'); raise e",
    "traceback_group": "raise ExceptionGroup('g', [ValueError(1), TypeError(2)])",
    "traceback_name_hint": "prnt('x')",
    "traceback_in_thread": "import threading; t = threading.Thread(target=lambda: 1 // 0, name='t'); t.start(); t.join()",
    "traceback_in_del": "class A:\n    def __del__(self): 1 // 0\na = A()\ndel a\nprint('on')",
    "excepthook": "import sys\nsys.excepthook = lambda *a: print('hook', a[0], a[2].tb_frame.f_code.co_filename, a[2].tb_lineno)\n1 // 0",
    "syntax_error": "print('a')\nprint('b'\nprint('c')\n",
    "indentation_error": "if True:\nprint('x')\n",
    "tab_error": "if True:\n        x = 1\n\ty = 2\n",
    "null_byte": "print('a')\n\x00",
    "no_newline_at_the_end": "print('x')",
    "empty": "",
    "only_a_comment": "# nothing",
    "carriage_returns": "print('a')\r\nprint('b')\r\nif 1:\r\n    print('c')\r\n",
    "byte_order_mark": "\ufeffprint('after a mark')",
    "coding_latin1": "# -*- coding: latin-1 -*-\nprint(len('é'), ascii('é'))",
    "coding_utf8": "# coding: utf-8\nprint(ascii('é'))",
    "coding_unknown": "# coding: nonsense\nprint('x')",
    "coding_utf16": "# coding: utf-16\nprint('x')",
    "long_source": "x = 0\n" + "x += 1\n" * 20_000 + "print(x)\n",
    "long_line": "print(len('" + "x" * 200_000 + "'))",
    "getsource": "import inspect\ndef f():\n    return 42  # a comment\n\nprint(inspect.getsource(f), inspect.getsourcefile(f), inspect.getfile(f))",
    "linecache": "import linecache\nprint(repr(linecache.getline(__file__, 2)))",
    "own_source": "print(open(__file__).read(), open('main.py').read() == open(__file__).read())",
    "source_stat": "import os; s = os.stat('main.py'); print(oct(s.st_mode), s.st_uid, s.st_gid, s.st_nlink, s.st_size)",
    # Ends.
    "exit_none": "import sys; sys.exit()",
    "exit_number": "import sys; sys.exit(7)",
    "exit_large": "import sys; sys.exit(300)",
    "exit_negative": "import sys; sys.exit(-1)",
    "exit_text": "import sys; sys.exit('a message')",
    "exit_true": "import sys; sys.exit(True)",
    "exit_object": "import sys; sys.exit([1, 2])",
    "exit_in_thread": "import sys, threading; t = threading.Thread(target=lambda: sys.exit(3)); t.start(); t.join(); print('on')",
    "exit_builtin": "exit(4)",
    "quit_builtin": "quit()",
    "raise_system_exit": "raise SystemExit(5)",
    "system_exit_subclass": "class E(SystemExit): pass\nraise E(6)",
    "underscore_exit": "import os; print('lost'); os._exit(8)",
    "keyboard_interrupt": "raise KeyboardInterrupt",
    "exit_with_finally": "import sys\ntry:\n    sys.exit(1)\nfinally:\n    print('finally')",
    "atexit": "import atexit\natexit.register(print, 'first')\natexit.register(print, 'second')\nprint('end')",
    "atexit_error": "import atexit\natexit.register(lambda: 1 // 0)\nprint('end')",
    "atexit_exit": "import atexit, sys\natexit.register(lambda: sys.exit(9))\nprint('end')",
    "del_at_exit": """
class A:
    def __init__(self, name): self.name = name
    def __del__(self): print('gone', self.name)
a = A('global'); b = A('other'); b.itself = b
def f(): pass
f.attribute = A('of a function')
""",
    "module_at_exit": "import sys, weakref\nclass M: pass\nm = M(); weakref.finalize(m, print, 'finalized')\n",
    # What ends with the interpreter: whoever is forked may not skip it (src/sandbox/warm/finish.cc).
    "del_at_exit_slots": "class A:\n    __slots__ = ()\n    def __del__(self): print('gone')\na = A()\n",
    "del_at_exit_inherited": "class A:\n    def __del__(self): print('gone')\nclass B(A): pass\nclass C(B, dict): pass\nc = C()\n",
    "del_at_exit_added": "class A: pass\na = A()\nA.__del__ = lambda self: print('gone')\n",
    "del_at_exit_cycle": "class A:\n    def __del__(self): print('gone')\na = A(); a.a = a\ndel a\n",
    "del_at_exit_in_sys": "import sys\nclass A:\n    def __del__(self): print('gone')\nsys.a = A()\n",
    "del_at_exit_in_builtins": "import builtins\nclass A:\n    def __del__(self): print('gone')\nbuiltins.a = A()\n",
    "del_at_exit_in_modules": "import sys\nclass A:\n    def __del__(self): print('gone')\nsys.modules['a'] = A()\n",
    "del_at_exit_of_metaclass": "class M(type):\n    def __del__(self): print('gone')\n    def __hash__(self): print('hash'); return 1\nclass A(metaclass=M): pass\n",
    "del_at_exit_frozen": "import gc\nclass A:\n    def __del__(self): print('gone')\na = A()\ngc.freeze()\ndel gc\n",
    "del_at_exit_after_error": "class A:\n    def __del__(self): print('gone')\ndef f():\n    a = A()\n    1 // 0\nf()\n",
    "del_at_exit_after_sys_exit": "import sys\nclass A:\n    def __del__(self): print('gone')\na = A()\nsys.exit(3)\n",
    "del_at_exit_of_a_sibling": "open('other.py', 'w').write('class A:\\n    def __del__(self): print(1)\\na = A()\\n')\nimport other\n",
    "generator_at_exit": "def f():\n    try:\n        yield 1\n    finally:\n        print('closed')\ng = f(); print(next(g))\n",
    "coroutine_at_exit": "async def f(): pass\nc = f()\n",
    "file_at_exit": "import os\nf = open(os.dup(1), 'w')\nf.write('late')\nprint('early', flush=True)\n",
    "binary_file_at_exit": "import os\nf = open(os.dup(1), 'wb')\nf.write(b'late')\nprint('early', flush=True)\n",
    "gzip_at_exit": "import gzip, os\nf = gzip.open('x.gz', 'wt'); f.write('a' * 100)\nprint(os.stat('x.gz').st_size)\n",
    "weak_callback_at_exit": "import _weakref\nclass A: pass\na = A()\nr = _weakref.ref(a, lambda r: print('gone'))\n",
    "weak_builtin_callback_at_exit": "import _weakref\nclass A:\n    __slots__ = ('__weakref__',)\na = A()\nr = _weakref.ref(a, print)\nprint(r() is a)\ndel a\nb = A(); s = _weakref.ref(b, print)\n",
    "weak_dictionary_at_exit": "import weakref\nclass A: pass\na = A()\nd = weakref.WeakValueDictionary(a=a)\nprint(len(d))\n",
    "abc_at_exit": "import collections.abc\nclass A(collections.abc.Sequence):\n    def __len__(self): return 0\n    def __getitem__(self, i): raise IndexError\nprint(isinstance(A(), collections.abc.Iterable), isinstance([], collections.abc.Hashable))\n",
    "profile_at_exit": "import sys\ndef f(frame, event, arg):\n    if event == 'call': out.write(frame.f_code.co_name + ' ')\nout = sys.stderr\nsys.setprofile(f)\ndef g(): pass\ng()\n",
    "trace_at_exit": "import sys\ndef f(frame, event, arg):\n    out.write(frame.f_code.co_name + ' ')\nout = sys.stderr\nsys.settrace(f)\ndef g(): pass\ng()\n",
    "replaced_stdout_at_exit": "import sys\nclass Out:\n    def __init__(self, o): self.o = o\n    def write(self, s): self.o.write(s)\n    def flush(self): self.o.write('flushed ')\nsys.stdout = Out(sys.stdout)\nprint('x')\n",
    "detached_stdout_at_exit": "import sys\nprint('x')\nraw = sys.stdout.detach()\nraw.write(b'raw')\n",
    "closed_stdout_at_exit": "import sys\nprint('x')\nsys.stdout.close()\n",
    "closed_descriptor_at_exit": "import os\nprint('lost')\nos.close(1)\n",
    "full_descriptor_at_exit": "import os\nfd = os.open('/dev/null', os.O_RDONLY)\nprint('lost')\nos.dup2(fd, 1)\n",
    "no_stdout_at_exit": "import sys\nprint('x')\nsys.stdout = None\ndel sys.stderr\n",
    "modules_replaced_at_exit": "import sys\nsys.modules = {}\nprint('x')\n",
    "modules_cleared_at_exit": "import sys\nprint('x')\nsys.modules.clear()\n",
    "odd_module_names_at_exit": "import sys\nclass N(str):\n    def __hash__(self): return 1\n    def __eq__(self, other): return False\nsys.modules[N('x')] = sys\nprint('x')\n",
    "finalizing_seen": "import sys\nclass A:\n    def __del__(self, sys=sys): print(sys.is_finalizing(), sys.meta_path)\na = A()\n",
    "fork_and_both_end": "import os, sys\npid = os.fork()\nif pid:\n    os.waitpid(pid, 0)\nprint('parent' if pid else 'child')\nsys.exit(5 if pid else 0)\n",
    "fork_and_both_finalize": "import os\nclass A:\n    def __del__(self): print('gone')\na = A()\npid = os.fork()\nif pid:\n    os.waitpid(pid, 0)\nprint('parent' if pid else 'child')\n",
    "many_objects_at_exit": "class A:\n    def __init__(self): self.x = []\nall = [A() for _ in range(100_000)]\nprint(len(all))\n",
    "thread_without_module_at_exit": "import _thread, time\n_thread.start_new_thread(time.sleep, (60,))\nprint('end')\n",
    "recursion_limit_at_exit": "import sys\nsys.setrecursionlimit(20)\nprint('x')\n",
    "error_and_objects_at_exit": "class A: pass\na = A(); a.a = a\nd = {i: [i] for i in range(1000)}\nraise ValueError(a.a is a)\n",
    "subprocess_at_exit": "import subprocess\np = subprocess.Popen(['echo', 'out'])\np.wait()\n",
    "temporary_folder_at_exit": "import tempfile, os\nt = tempfile.TemporaryDirectory()\nprint(os.path.exists(t.name))\n",
    "logging_at_exit": "import logging\nlogging.basicConfig(); logging.error('said')\n",
    "sqlite_at_exit": "import sqlite3\nc = sqlite3.connect('x.db')\nc.execute('create table t (x)'); c.execute('insert into t values (1)')\nprint(c.in_transaction)\n",
    "daemon_thread": "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\nprint('end')",
    "thread_outlives_main": "import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.05), print('late'))).start()\nprint('end')",
    "exec_other": "import os, sys; os.execv(sys.executable, [sys.executable, '-c', 'import sys; print(sys.argv)'])",
    # Modules of the work folder, pickles, processes.
    "sibling": "open('other.py', 'w').write('value = 5\\nprint(__name__, __file__)\\n')\nimport other\nprint(other.value, other.__spec__)",
    "sibling_package": "import os\nos.mkdir('p'); open('p/__init__.py', 'w').write('from . import m'); open('p/m.py', 'w').write('x = 1')\nimport p; print(p.m.x, os.listdir('p'))",
    "sibling_shadows": "open('csv.py', 'w').write('shadow = 1')\nimport csv; print(csv.__file__)",
    "import_itself": "import sys\nif 'main' not in sys.modules:\n    print('first'); import main\nprint(__name__)",
    "import_missing": "import nowhere",
    "many_imports": """
import argparse, asyncio, bisect, collections, csv, dataclasses, datetime, decimal, enum, fractions, functools, glob
import hashlib, heapq, io, itertools, json, logging, math, operator, os, pathlib, pickle, pprint, queue, random, re
import shutil, sqlite3, ssl, statistics, string, struct, subprocess, tempfile, textwrap, threading, typing, unittest
import urllib.request, uuid, xml.etree.ElementTree, zlib, zoneinfo
import sys; print(len(sys.modules), datetime.date(2024, 2, 29), json.dumps({'a': [1, None]}))
""",
    "pickle": """
import pickle
class Point:
    def __init__(self, x): self.x = x
data = pickle.dumps(Point(3)); print(pickle.loads(data).x, b'__main__' in data)
def f(): return 1
print(pickle.loads(pickle.dumps(f)) is f)
""",
    "dataclass": "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\nprint(P(1), P.__module__, P.__qualname__)",
    "fork": "import os, sys\nif os.fork() == 0:\n    print('child', flush=True); os._exit(0)\nos.wait(); print('parent')",
    "subprocess": "import subprocess, sys; print(subprocess.run([sys.executable, '-c', 'print(6 * 7)'], capture_output=True))",
    "subprocess_sees": """
import subprocess, sys
code = "import sys; print('sandbox-warm' in open('/proc/self/maps').read(), sys.path, sys.flags.hash_randomization)"
print(subprocess.run([sys.executable, '-c', code], capture_output=True, text=True))
""",
    "multiprocessing_fork": """
import multiprocessing as m
def square(x): return x * x
if __name__ == '__main__':
    with m.Pool(2) as pool: print(pool.map(square, range(5)))
""",
    "multiprocessing_spawn": """
import multiprocessing as m
def square(x): return x * x
if __name__ == '__main__':
    with m.get_context('spawn').Pool(2) as pool: print(pool.map(square, range(5)))
""",
    "multiprocessing_forkserver": """
import multiprocessing as m
def f(q): q.put(__name__)
if __name__ == '__main__':
    c = m.get_context('forkserver'); q = c.Queue(); p = c.Process(target=f, args=(q,)); p.start(); print(q.get()); p.join()
""",
    "threads": """
import threading
out = []
threads = [threading.Thread(target=out.append, args=(i,)) for i in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
print(sorted(out), threading.main_thread().name, threading.active_count())
""",
    "thread_identity": """
import os, threading
main = threading.main_thread()
print(main is threading.current_thread(), main.native_id == os.getpid() == threading.get_native_id(), main.ident == threading.get_ident())
""",
    "thread_stack": "import threading; print(threading.stack_size())",
    "asyncio": """
import asyncio
async def f(n):
    await asyncio.sleep(0); return n
async def main():
    print(await asyncio.gather(*map(f, range(5))))
    p = await asyncio.create_subprocess_exec('echo', 'hi', stdout=-1); print(await p.communicate())
asyncio.run(main())
""",
    "signals_in_asyncio": """
import asyncio, os, signal
async def main():
    done = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, done.set)
    os.kill(os.getpid(), signal.SIGUSR1); await done.wait(); print('got it')
asyncio.run(main())
""",
    "faulthandler": "import faulthandler, sys; print(faulthandler.is_enabled()); faulthandler.dump_traceback(file=sys.stdout)",
    "tracemalloc": "import tracemalloc; print(tracemalloc.is_tracing())",
    "profile": "import cProfile; p = cProfile.Profile(); print(p.runcall(sum, [1, 2]))",
    "settrace": "import sys\ndef t(f, e, a):\n    print(e, f.f_lineno); return t\nsys.settrace(t)\ndef g():\n    return 1\ng()",
    "locale": "import locale; print(locale.getlocale(), locale.setlocale(locale.LC_ALL), locale.getpreferredencoding())",
    "time_zone": "import time; print(time.tzname, time.timezone)",
    "files": "import os, tempfile; print(tempfile.gettempdir(), os.listdir('/tmp')); open('/tmp/x', 'w').write('y'); print(os.stat('/tmp/x').st_uid)",
    "box": "import os; print(os.listdir('/box')); open('new', 'w'); s = os.stat('new'); print(oct(s.st_mode), s.st_uid)",
    "read_only": "import os\nfor p in ('/', '/usr', '/etc', '/proc'):\n    try: open(p + '/x', 'w')\n    except OSError as e: print(p, e.errno)",
    "byte_code": "import sys; print(sys.dont_write_bytecode, sys.pycache_prefix)",
    "hash_of_numbers": "print(hash(1), hash(1.5), hash((1, 2)), hash(2**61))",
    "set_of_numbers": "print({5, 3, 1}, {1: 2})",
    "audit": "import sys\nsys.addaudithook(lambda e, a: e == 'open' and print('audit', a[0]))\nopen('/etc/hosts')",
    "compile": "exec(compile('print(__name__, __file__)', 'x', 'exec'))",
    "interactive": "import code; print(code.InteractiveInterpreter().runsource('1 + 1'))",
    "site": "import site, sys; print(site.getsitepackages(), site.ENABLE_USER_SITE, sys.path == list(dict.fromkeys(sys.path)))",
    "runpy": "import runpy; open('m.py', 'w').write('print(__name__, __file__)'); runpy.run_path('m.py', run_name='__main__')",
    "memory_error": "try:\n    'a' * 10**12\nexcept MemoryError:\n    print('refused')",
    "numpy": """
import numpy as np, sys
print(np.arange(6).reshape(2, 3) @ np.ones(3), np.linalg.inv(np.eye(2) * 2), np.__version__, np.geterr())
print(sorted(name for name in sys.modules if name.startswith('numpy')))
""",
    "numpy_seeds": "import numpy as np; np.random.seed(1); print(np.random.rand(3), np.random.default_rng(2).random())",
    "numpy_error": "import numpy as np\ndef f(a):\n    return a[7]\nf(np.zeros(3))",
    "numpy_warning": "import numpy as np; print(np.array([1.0]) / 0); print(np.log(np.zeros(1)))",
    "numpy_thread": """
import numpy, threading, time
threading.Thread(target=lambda: (time.sleep(0.2), print('after the main thread', numpy.ones(2).sum()))).start()
""",
    # The end of the output is not the end of the program.
    "closes_its_output_and_goes_on": "import os, time\nos.close(1); os.close(2); time.sleep(0.2)\nos._exit(3)",
    "closes_its_output_and_ends": "import os, sys; os.close(1); os.close(2); sys.exit(4)",
    "closes_its_output_and_dies": "import os, time; os.close(1); os.close(2); time.sleep(0.1); os.kill(os.getpid(), 11)",
    "closes_its_output_and_aborts": "import os; os.close(1); os.close(2); os.abort()",
    "closes_its_output_beside_a_child": """
import os, time
pid = os.fork()
os.close(1); os.close(2)
if pid == 0:
    time.sleep(0.1); os._exit(7)
os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) + 1)
""",
    "ends_beside_a_child": "import os, sys\nif os.fork() == 0: os._exit(7)\nsys.exit(5)",
    "ends_after_a_child": "import os, sys\nif os.fork(): os.wait(); os._exit(6)\nsys.exit(5)",
    "numpy_daemon": "import numpy, threading, time; threading.Thread(target=lambda: (time.sleep(60), print('never')), daemon=True).start()",
    "numpy_timer": "import numpy, threading; threading.Timer(0.1, print, ['rings']).start()",
    "numpy_atexit": "import numpy, atexit; atexit.register(print, 'at exit', numpy.ones(2))",
    "numpy_thread_atexit": "import numpy, threading; threading._register_atexit(print, 'before the end')",
    "numpy_finalizer": "import numpy\nclass A:\n    def __del__(self): print('gone')\na = A(); b = numpy.array([a, a], dtype=object)",
    "numpy_subclass": "import numpy\nclass A(numpy.ndarray):\n    def __del__(self): print('gone', self.sum())\na = numpy.ones(3).view(A)",
    "numpy_local": "import numpy, threading\nclass A:\n    def __del__(self): print('gone')\nx = threading.local(); x.a = A()",
    "numpy_file": "import numpy as np; m = np.memmap('m', dtype='i4', mode='w+', shape=4); m[:] = 7; print(np.fromfile('m', dtype='i4'))",
    "numpy_unflushed": "import numpy as np; f = open('/dev/stdout', 'wb'); np.save(f, np.arange(3))",
    "numpy_fork": """
import numpy as np, os
pid = os.fork()
if pid == 0:
    print('child', np.ones(3).sum()); raise SystemExit(3)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
""",
    "numpy_pool": "import multiprocessing, numpy\nif __name__ == '__main__':\n    with multiprocessing.Pool(2) as p: print(p.map(numpy.sum, [numpy.ones(2), numpy.ones(3)]))",
    "numpy_is_absent": "import importlib.util, sys; print('numpy' in sys.modules)",
    "stack_overflow": "import sys; sys.setrecursionlimit(10**6)\ndef f(n): return 0 if n == 0 else 1 + f(n - 1)\nprint(f(20_000))",
}
