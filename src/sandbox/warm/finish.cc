#include "sandbox/warm/finish.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

namespace sandbox::warm {
namespace {

// Decides whether the end can be seen. It runs no code of the program's: attributes are read by way
// of the types that define them. Nothing of what it needs is to be found in sys.modules by the
// program, and a program that imports gc itself may have changed what is seen here.
constexpr char kSource[] = R"python(
def make(sys, gc, atexit, weakref, preloaded):
    # Extension modules whose objects end silently. Those in Python are looked at object by object.
    silent = frozenset("""
        _abc _ast _bisect _blake2 _bz2 _codecs _collections _contextvars _csv _datetime _decimal
        _elementtree _functools _hashlib _heapq _json _locale _lzma _md5 _opcode _operator _pickle
        _queue _random _sha1 _sha256 _sha3 _sha512 _sre _stat _statistics _string _struct _symtable
        _tracemalloc _typing _uuid _warnings _weakref _zoneinfo array binascii cmath errno fcntl grp
        itertools marshal math posix pwd pyexpat resource select time unicodedata zlib
        """.split())
    modules = sys.modules
    known = frozenset(modules)
    threads = modules.get("threading")
    streams = sys.stdin, sys.stdout, sys.stderr
    module, builtin, ref = type(sys), type(len), weakref.ref
    proxies = weakref.ProxyType, weakref.CallableProxyType
    objects, blocks, callbacks = gc.get_objects, sys.getallocatedblocks, atexit._ncallbacks
    # The search is to cost less than what it saves.
    most = blocks() + 50_000
    mro = type.__dict__["__mro__"].__get__
    members = type.__dict__["__dict__"].__get__
    variables = module.__dict__["__dict__"].__get__
    callback = ref.__dict__["__callback__"].__get__
    # What threading looks at before the end: threads, the main one among them, and functions.
    lists = ("_active", 1), ("_limbo", 0), ("_threading_atexits", 0)
    waited_for = [(name, length, getattr(threads, name, None)) for name, length in lists]

    def no_threads():
        if "threading" not in modules:
            return True
        if threads is None or modules["threading"] is not threads:
            return False
        now = variables(threads)
        for name, length, value in waited_for:
            if value is None or now.get(name) is not value or len(value) != length:
                return False
        return True

    def silent_end():
        if (sys.modules is not modules or sys.stdin is not streams[0] or sys.stdout is not streams[1]
                or sys.stderr is not streams[2] or streams[1].closed or streams[2].closed
                or not no_threads() or "gc" in modules or callbacks() or blocks() > most):
            return False
        for name, value in modules.items():
            if type(name) is not str:
                return False
            if name not in known and name not in silent:
                file = variables(value).get("__file__") if type(value) is module else None
                if type(file) is not str or not file.endswith(".py"):
                    return False
        seen = {}
        for value in objects():
            kind = type(value)
            what = seen.get(id(kind))
            if what is None:
                what = 0
                for base in mro(kind):
                    if "__del__" in members(base) or base in proxies:
                        return False
                    if base is ref:
                        what = 1
                    elif base is type:
                        what = 2
                seen[id(kind)] = what
            if what == 1:
                call = callback(value)
                if call is not None and (type(call) is not builtin or call.__name__ != "_destroy"):
                    return False
            elif what == 2:
                for base in mro(value):
                    if "__del__" in members(base):
                        return False
        return True

    silent_end.foreign = not {*preloaded.split(",")} - {""} <= sys.stdlib_module_names
    return silent_end
)python";

// A little of everything that programs do.
constexpr char kRehearsal[] = R"python(
def twice(number):
    return number + number
words = {str(number): [twice(number)] for number in range(3)}
for word, numbers in words.items():
    text = f"{word} {numbers[0]:>3}" + "%d" % len(numbers)
try:
    raise ValueError(text)
except ValueError as error:
    text = error.args
)python";

// Of CPython's interface; all but the first in the stable part.
struct Api {
  int (*finalize)() = nullptr;
  void* (*import)(const char*) = nullptr;
  void* (*modules)() = nullptr;
  void* (*new_dict)() = nullptr;
  void* (*item)(void*, const char*) = nullptr;
  int (*forget)(void*, const char*) = nullptr;
  void* (*call)(void*, const char*, const char*, ...) = nullptr;
  void* (*call_object)(void*, void*) = nullptr;
  void* (*call_function)(void*, const char*, ...) = nullptr;
  void* (*attribute)(void*, const char*) = nullptr;
  void* (*system)(const char*) = nullptr;
  int (*is_true)(void*) = nullptr;
  void (*clear)() = nullptr;
  void (*write_unraisable)(void*) = nullptr;
  void (*release)(void*) = nullptr;
  void* none = nullptr;

  bool Find() {
    return Find("Py_FinalizeEx", &finalize) && Find("PyImport_ImportModule", &import) &&
           Find("PyImport_GetModuleDict", &modules) && Find("PyDict_New", &new_dict) &&
           Find("PyDict_GetItemString", &item) && Find("PyDict_DelItemString", &forget) &&
           Find("PyObject_CallMethod", &call) && Find("PyObject_CallObject", &call_object) &&
           Find("PyObject_CallFunction", &call_function) &&
           Find("PyObject_GetAttrString", &attribute) && Find("PySys_GetObject", &system) &&
           Find("PyObject_IsTrue", &is_true) && Find("PyErr_Clear", &clear) &&
           Find("PyErr_WriteUnraisable", &write_unraisable) && Find("Py_DecRef", &release) &&
           Find("_Py_NoneStruct", &none);
  }

  // Imports a module and leaves sys.modules as it was.
  void* ImportUnseen(const char* name) const {
    const bool seen = item(modules(), name) != nullptr;
    void* found = import(name);
    if (found != nullptr && !seen) {
      forget(modules(), name);
    }
    return found;
  }

 private:
  template <typename T>
  static bool Find(const char* name, T* symbol) {
    *symbol = reinterpret_cast<T>(::dlsym(RTLD_DEFAULT, name));
    return *symbol != nullptr;
  }
};

#if defined(__x86_64__)
// endbr64; mov $address, %rax; jmp *%rax
constexpr unsigned char kJump[] = {0xF3, 0x0F, 0x1E, 0xFA, 0x48, 0xB8, 0,    0,
                                   0,    0,    0,    0,    0,    0,    0xFF, 0xE0};
constexpr size_t kAddress = 6;
#elif defined(__aarch64__)
// ldr x16, .+8; br x16; address
constexpr unsigned char kJump[] = {0x50, 0x00, 0x00, 0x58, 0x00, 0x02, 0x1F, 0xD6,
                                   0,    0,    0,    0,    0,    0,    0,    0};
constexpr size_t kAddress = 8;
#else
constexpr unsigned char kJump[1] = {};
constexpr size_t kAddress = 0;
#endif

// What is held of the interpreter's. The hooks are sys.getprofile and sys.gettrace, whose functions
// would see ours run.
enum Held { kSilentEnd, kProfile, kTrace, kSys, kGc, kAtexit, kWeakref, kBuiltins, kNames, kHeld };

Api g_api;
void* g_held[kHeld] = {};
bool g_replaced = false;
bool g_foreign = false;  // more was loaded ahead than modules of Python's own
unsigned char g_original[sizeof(kJump)];

// Executable all the while, since threads that the interpreter does not know may run there.
bool Overwrite(const unsigned char* code) {
  auto* const at = reinterpret_cast<unsigned char*>(g_api.finalize);
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t begin = reinterpret_cast<uintptr_t>(at) & ~(page - 1);
  const size_t size =
      (reinterpret_cast<uintptr_t>(at) + sizeof(kJump) - begin + page - 1) & ~(page - 1);
  void* const pages = reinterpret_cast<void*>(begin);  // NOLINT(performance-no-int-to-ptr): rounded
  if (::mprotect(pages, size, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) {
    return false;
  }
  std::memcpy(at, code, sizeof(kJump));
  __builtin___clear_cache(reinterpret_cast<char*>(at), reinterpret_cast<char*>(at) + sizeof(kJump));
  return ::mprotect(pages, size, PROT_READ | PROT_EXEC) == 0;
}

bool EndsSilently() {
  for (const Held hook : {kProfile, kTrace}) {
    if (g_api.call_object(g_held[hook], nullptr) != g_api.none) {
      return false;
    }
  }
  void* const answer = g_api.call_object(g_held[kSilentEnd], nullptr);
  if (answer == nullptr) {
    g_api.clear();
    return false;
  }
  return g_api.is_true(answer) == 1;
}

// As Py_FinalizeEx does it.
int FlushStreams() {
  int status = 0;
  void* const out = g_api.system("stdout");
  if (out != nullptr && g_api.call(out, "flush", nullptr) == nullptr) {
    g_api.write_unraisable(out);
    status = -1;
  }
  void* const err = g_api.system("stderr");
  if (err != nullptr && g_api.call(err, "flush", nullptr) == nullptr) {
    g_api.clear();
    status = -1;
  }
  return status;
}

// What C libraries have registered for the end writes to memory that nobody reads any more.
void EndAtOnce(int status, void*) {
  std::fflush(nullptr);
  // The launcher takes the closing as the sign to look whether we end. (Sandbox::OnOutputClosed)
  ::close(STDOUT_FILENO);
  ::close(STDERR_FILENO);
  ::_exit(status);
}

int Finalize() {
  if (EndsSilently()) {
    // By way of ctypes a program can register functions, too.
    if (g_api.item(g_api.modules(), "_ctypes") == nullptr) {
      ::on_exit(EndAtOnce, nullptr);
    }
    return FlushStreams();
  }
  // Nothing is to outlive the interpreter for our sake: a stream is flushed when it dies. What
  // others' modules hold in circles, numpy's the standard output, is collected as if it had not
  // been frozen.
  if (g_foreign && g_api.call(g_held[kGc], "unfreeze", nullptr) == nullptr) {
    g_api.clear();
  }
  for (void* held : g_held) {
    g_api.release(held);
  }
  return Overwrite(g_original) ? g_api.finalize() : FlushStreams();
}

}  // namespace

bool ReplaceFinalize(const char* preloaded) {
  if (sizeof(kJump) == 1 || !g_api.Find()) {
    return false;
  }
  constexpr const char* kModules[] = {"sys", "gc", "atexit", "_weakref", "builtins"};
  for (size_t i = 0; i < 5; ++i) {
    g_held[kSys + i] = g_api.ImportUnseen(kModules[i]);
  }
  g_held[kNames] = g_api.new_dict();
  bool ready = true;
  for (size_t i = kSys; i < kHeld; ++i) {
    ready = ready && g_held[i] != nullptr;
  }
  ready = ready && g_api.call(g_held[kBuiltins], "exec", "sO", kSource, g_held[kNames]) != nullptr;
  if (ready) {
    g_held[kSilentEnd] =
        g_api.call_function(g_api.item(g_held[kNames], "make"), "OOOOs", g_held[kSys], g_held[kGc],
                            g_held[kAtexit], g_held[kWeakref], preloaded);
    g_held[kProfile] = g_api.attribute(g_held[kSys], "getprofile");
    g_held[kTrace] = g_api.attribute(g_held[kSys], "gettrace");
  }
  for (void* held : g_held) {
    ready = ready && held != nullptr;
  }
  void* const foreign = ready ? g_api.attribute(g_held[kSilentEnd], "foreign") : nullptr;
  g_foreign = foreign != nullptr && g_api.is_true(foreign) == 1;
  if (foreign == nullptr) {
    g_api.clear();
    return false;
  }
  unsigned char jump[sizeof(kJump)];
  std::memcpy(jump, kJump, sizeof(jump));
  int (*const ours)() = Finalize;
  std::memcpy(jump + kAddress, &ours, sizeof(ours));
  std::memcpy(g_original, reinterpret_cast<const void*>(g_api.finalize), sizeof(g_original));
  g_replaced = Overwrite(jump);
  return g_replaced;
}

void Rehearse() {
  if (!g_replaced) {
    return;
  }
  void* const names = g_api.new_dict();
  void* const done = g_api.call(g_held[kBuiltins], "exec", "sO", kRehearsal, names);
  for (void* const held : {names, done}) {
    if (held != nullptr) {
      g_api.release(held);
    } else {
      g_api.clear();
    }
  }
  EndsSilently();
}

}  // namespace sandbox::warm
