// Loaded into the program of a zygote (../launcher/zygote.h), where it makes the opening of the
// job's source the point at which the program waits. The program has started by then as it always
// does and has run nothing of a job's. From there on it is forked: each child enters one sandbox,
// confines itself like every other job, and then only opens the source, which is there by now. So a
// program starts with the very state that it has when it is started by hand.
//
// Standard C library and system calls only. It is linked into no program of ours.

#include <dlfcn.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "linux/confine.h"
#include "linux/message.h"
#include "linux/syscall.h"
#include "sandbox/launcher/confine_job.h"
#include "sandbox/launcher/context.h"
#include "sandbox/launcher/zygote.h"
#include "sandbox/warm/finish.h"

namespace {

using namespace sandbox::launcher;  // NOLINT(google-build-using-namespace): its other half
using sandbox::wire::Step;

const ZygoteImage* g_image = nullptr;  // null in everything but a zygote that has not waited yet

// What CPython's stable interface offers. Other programs have no such functions.
struct Python {
  int (*ensure)() = nullptr;
  void (*release)(int) = nullptr;
  void (*after_fork)() = nullptr;
  void* (*import)(const char*) = nullptr;
  void* (*call)(void*, const char*, const char*, ...) = nullptr;
  void* (*modules)() = nullptr;
  int (*forget)(void*, const char*) = nullptr;
  int (*has_key)(void*, const char*) = nullptr;
  void* (*module)(const char*) = nullptr;
  void* (*variables)(void*) = nullptr;
  void (*track)(void*) = nullptr;
  void (*untrack)(void*) = nullptr;
  void* (*system)(const char*) = nullptr;
  void (*clear)() = nullptr;
  int state = 0;

  template <typename F>
  static void Find(const char* name, F* function) {
    *function = reinterpret_cast<F>(::dlsym(RTLD_DEFAULT, name));
  }

  void Find() {
    Find("PyGILState_Ensure", &ensure);
    Find("PyGILState_Release", &release);
    Find("PyOS_AfterFork_Child", &after_fork);
    Find("PyImport_ImportModule", &import);
    Find("PyObject_CallMethod", &call);
    Find("PyImport_GetModuleDict", &modules);
    Find("PyDict_DelItemString", &forget);
    Find("PyMapping_HasKeyString", &has_key);
    Find("PyImport_AddModule", &module);
    Find("PyModule_GetDict", &variables);
    Find("PyObject_GC_Track", &track);
    Find("PyObject_GC_UnTrack", &untrack);
    Find("PySys_GetObject", &system);
    Find("PyErr_Clear", &clear);
    if (found()) {
      state = ensure();
      Preload(g_image->preload.data());
      if (::unshare(CLONE_VM) != 0) {  // unshare(2): does nothing but to refuse one with threads
        ::_exit(1);
      }
      sandbox::warm::ReplaceFinalize(g_image->preload.data());
      Freeze();
    }
  }

  bool found() const {
    return ensure != nullptr && release != nullptr && after_fork != nullptr && import != nullptr &&
           call != nullptr && modules != nullptr && forget != nullptr && has_key != nullptr &&
           module != nullptr && variables != nullptr && track != nullptr && untrack != nullptr &&
           system != nullptr && clear != nullptr;
  }

  // Modules that do not exist are left out. The folder of jobs has been looked through on the way,
  // which is not to be remembered.
  void Preload(const char* names) const {
    while (*names != '\0') {
      char name[64];
      const size_t length = std::strcspn(names, ",");
      std::snprintf(name, sizeof(name), "%.*s", static_cast<int>(length), names);
      if (import(name) == nullptr) {
        clear();
      }
      names += length;
      names += *names == ',' ? 1 : 0;
    }
    void* folders = system("path_importer_cache");
    if (folders == nullptr || forget(folders, "/box") != 0) {
      clear();
    }
  }

  // Takes what exists out of the collector's sight: or each child would write to all of that memory
  // when it collects, the last time when it ends, and so copy it. The program's own module is left
  // in sight, since objects that it makes are reached from there and end with it.
  void Freeze() const {
    void* gc = import("gc");
    void* main = module("__main__");
    void* dict = main == nullptr ? nullptr : variables(main);
    if (gc == nullptr || dict == nullptr || call(gc, "collect", nullptr) == nullptr) {
      ::_exit(1);
    }
    untrack(main);
    untrack(dict);
    if (call(gc, "freeze", nullptr) == nullptr || forget(modules(), "gc") != 0) {
      ::_exit(1);
    }
    track(dict);
    track(main);
  }

  // The generator that numpy keeps was seeded by its import; those of Python's own modules are
  // seeded by after_fork.
  void Reseed() const {
    if (has_key(modules(), "numpy.random") == 0) {
      return;
    }
    void* random = import("numpy.random");
    if (random == nullptr || call(random, "seed", nullptr) == nullptr) {
      ::_exit(1);
    }
  }

  void Forked(bool rehearse) const {
    if (found()) {
      after_fork();
      Reseed();
      if (rehearse) {
        sandbox::warm::Rehearse();
      }
      release(state);
    }
  }
};

// One fork, as its helpers see it: they share the zygote's memory.
struct Fork {
  int link = -1;
  int namespaces[kJobNamespaces.size()] = {};
  int namespace_count = 0;
  int groups[sandbox::wire::kMaxFds] = {};
  int group_count = 0;
  bool rehearse = false;
};

constexpr size_t kStack = 64 << 10;
Fork g_fork;
jmp_buf g_zygote;  // where the forked child goes on, on the stack of the zygote
alignas(16) char g_outer_stack[kStack];
alignas(16) char g_inner_stack[kStack];

[[noreturn]] void Refuse(Step step) {
  const ForkReport report{step, errno, 0};
  linux::SendMessage(g_fork.link, &report, sizeof(report), nullptr, 0);
  ::_exit(0);  // a sandbox that is gone meanwhile is no fault of the zygote
}

// In the sandbox's pid namespace: forks the program's process and ends, so that pid 1 becomes its
// parent.
int InnerMain(void*) {
  const pid_t pid = ::fork();  // the C library's: what it keeps of a process is right in the child
  if (pid == 0) {
    ::longjmp(g_zygote, 1);  // NOLINT(cert-err52-cpp): leaves no object behind
  }
  if (pid < 0) {
    Refuse(Step::kJobFork);
  }
  ::_exit(0);
}

pid_t CloneSharing(int (*function)(void*), char* stack) {
  return ::clone(function, stack + kStack, CLONE_VM | CLONE_VFORK | SIGCHLD, nullptr);
}

bool Reap(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) {
      return false;
    }
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// Enters the sandbox's namespaces, of which that of pids is one for children only.
int OuterMain(void*) {
  for (int i = 0; i < g_fork.namespace_count; ++i) {
    const auto n = static_cast<size_t>(i);
    // The last is entered by the child, once it is in the group.
    if (kJobNamespaces[n].flag != CLONE_NEWCGROUP &&
        ::setns(g_fork.namespaces[n], kJobNamespaces[n].flag) != 0) {
      Refuse(Step::kEnterNamespaces);
    }
  }
  const pid_t pid = CloneSharing(InnerMain, g_inner_stack);
  if (pid < 0) {
    Refuse(Step::kJobFork);
  }
  Reap(pid);
  ::_exit(0);
}

[[noreturn]] void FailJob(Step step) {
  const StepError report{step, errno};
  linux::SendMessage(g_fork.link, &report, sizeof(report), nullptr, 0);
  ::_exit(127);
}

// The child: joins the group, gives up every right, and waits for its job.
void BecomeJob(const Python& python) {
  for (int i = 0; i < g_fork.group_count; ++i) {
    if (::write(g_fork.groups[i], "0", 1) != 1) {
      Refuse(Step::kCgroupEnter);
    }
  }
  const size_t last = kJobNamespaces.size() - 1;
  if (g_fork.namespace_count > static_cast<int>(last) &&
      ::setns(g_fork.namespaces[last], CLONE_NEWCGROUP) != 0) {
    Refuse(Step::kCgroupNamespace);
  }
  while (::getppid() != 1) {
    ::sched_yield();  // the helper that has forked it is about to end
  }
  if (::setsid() < 0 || ::chdir("/box") != 0) {
    Refuse(Step::kSession);
  }
  // Away from the zygote's files as soon as can be; the streams of the job come later.
  const Step closed = TakeStreams(0, 1, 2, g_fork.link);
  if (closed != Step::kNone) {
    Refuse(closed);
  }
  Confinement confinement;
  confinement.root = g_image->root != 0;
  confinement.landlock_abi = g_image->landlock_abi;
  confinement.mounts = g_image->mounts.data();
  confinement.mount_count = g_image->mount_count;
  confinement.filter = {static_cast<uint16_t>(g_image->filter_size),
                        const_cast<sock_filter*>(g_image->filter.data())};
  const Step dropped = DropRights(confinement);
  if (dropped != Step::kNone) {
    Refuse(dropped);
  }
  python.Forked(g_fork.rehearse);
  // As after an exec: the program is its user's own, /proc included.
  if (::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0 || !linux::LoadSeccomp(confinement.filter)) {
    Refuse(Step::kSeccomp);
  }
  int fds[linux::kMaxMessageFds];
  const ForkStart start = AwaitStart(g_fork.link, fds, 3);
  Step failed = TakeStreams(fds[0], fds[1], fds[2], g_fork.link);
  failed = failed != Step::kNone ? failed : SetLimits(start.limits, start.cgroups != 0);
  if (failed != Step::kNone) {
    FailJob(failed);
  }
  AwaitGo(g_fork.link);
  ::munmap(const_cast<ZygoteImage*>(g_image), sizeof(*g_image));
  ::close(g_fork.link);  // as exec would: the program runs
}

// Serves until the launcher ends; returns in each child.
void Serve() {
  Python python;
  python.Find();
  ControlReport report{};
  report.type = ControlType::kWarm;
  if (!linux::SendMessage(kZygoteControl, &report, sizeof(report), nullptr, 0)) {
    ::_exit(1);
  }
  for (;;) {
    ForkRequest request{};
    int fds[linux::kMaxMessageFds];
    int count = 0;
    if (linux::ReceiveMessage(kZygoteControl, &request, sizeof(request), fds, &count) !=
            sizeof(request) ||
        request.version != sandbox::wire::kVersion || request.namespaces > kJobNamespaces.size() ||
        count != static_cast<int>(1 + request.namespaces + request.groups)) {
      ::_exit(0);
    }
    g_fork.link = fds[0];
    g_fork.rehearse = request.rehearse != 0;
    g_fork.namespace_count = static_cast<int>(request.namespaces);
    g_fork.group_count = static_cast<int>(request.groups);
    for (int i = 0; i < g_fork.namespace_count; ++i) {
      g_fork.namespaces[i] = fds[1 + i];
    }
    for (int i = 0; i < g_fork.group_count; ++i) {
      g_fork.groups[i] = fds[1 + g_fork.namespace_count + i];
    }
    if (::_setjmp(g_zygote) != 0) {
      return BecomeJob(python);
    }
    const pid_t pid = CloneSharing(OuterMain, g_outer_stack);
    if (pid < 0 || !Reap(pid)) {
      ::_exit(1);  // whatever went wrong may be in this process, too
    }
    for (int i = 0; i < count; ++i) {
      ::close(fds[i]);
    }
  }
}

void Wait(const char* path) {
  if (g_image != nullptr && IsSource(g_image->source, path)) {
    Serve();
    g_image = nullptr;
  }
}

using Open = FILE* (*)(const char*, const char*);

__attribute__((constructor)) void Load() {
  void* image = ::mmap(nullptr, sizeof(ZygoteImage), PROT_READ, MAP_SHARED, kZygoteImage, 0);
  if (image == MAP_FAILED) {
    return;
  }
  g_image = static_cast<const ZygoteImage*>(image);
  if (g_image->version != sandbox::wire::kVersion ||
      ::fcntl(kZygoteControl, F_SETFD, FD_CLOEXEC) != 0 ||
      ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    ::_exit(1);
  }
  ::close(kZygoteImage);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) FILE* fopen(const char* path, const char* mode) {
  static const auto next = reinterpret_cast<Open>(::dlsym(RTLD_NEXT, "fopen"));
  Wait(path);
  return next(path, mode);
}

extern "C" __attribute__((visibility("default"))) FILE* fopen64(const char* path,
                                                                const char* mode) {
  static const auto next = reinterpret_cast<Open>(::dlsym(RTLD_NEXT, "fopen64"));
  Wait(path);
  return next(path, mode);
}
