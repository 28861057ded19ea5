// "sandbox-launcher --view ROOT SOURCE TARGET COMMAND...": runs a tool of the operator's where
// programs will run it: below the prepared root ROOT, with the folder SOURCE writable at TARGET, or
// with "-" for both. The tool keeps the invoking user's rights over SOURCE and has none elsewhere.
// The exit code is the tool's, 128 + number when a signal ended it, 127 when it does not exist, and
// kViewFailed when there is no view.

#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstring>

#include "linux/syscall.h"
#include "sandbox/launcher/context.h"

namespace sandbox::launcher {
namespace {

using wire::Step;

constexpr int kViewFailed = 125;
constexpr int kNoProgram = 127;
constexpr int kFirstWord = 5;  // of the command

bool CopyName(const char* text, wire::Name* name) {
  const size_t length = std::strlen(text);
  if (text[0] != '/' || length >= name->size()) {
    return false;
  }
  std::memcpy(name->data(), text, length + 1);
  return true;
}

int ExitCode(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

[[noreturn]] void ViewFailed(Step step) {
  std::fprintf(stderr, "sandbox-launcher: no view of the root: %s: %s\n", wire::StepName(step),
               strerrorname_np(errno));
  ::_exit(kViewFailed);
}

// Pid 1 of the view: starts the command and ends with it, and everything else with itself.
[[noreturn]] void ViewInit(const Context& context, int go, char** command) {
  char byte = 0;
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || ::read(go, &byte, 1) != 1) {
    ViewFailed(Step::kIdMaps);
  }
  Step step = Step::kNone;
  // Toolchains build more in /tmp than a job may.
  if (!OpenSources(context, &step) || !BuildRoot(context, View{}, &step) ||
      ::mount(nullptr, "/tmp", nullptr, MS_REMOUNT | MS_NOSUID | MS_NODEV,
              "size=2g,nr_inodes=65536") != 0 ||
      ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    ViewFailed(step);
  }
  const pid_t pid = ::fork();
  if (pid < 0) {
    ViewFailed(Step::kJobFork);
  }
  if (pid == 0) {
    ::umask(022);
    ::execve(command[0], command, ::environ);  // user 1000 of the namespace: capabilities end here
    std::fprintf(stderr, "cannot run %s: %s\n", command[0], strerrorname_np(errno));
    ::_exit(kNoProgram);
  }
  int status = 0;
  pid_t ended = 0;
  while ((ended = ::waitpid(-1, &status, 0)) != pid && (ended > 0 || errno == EINTR)) {
  }
  ::_exit(ended == pid ? ExitCode(status) : kViewFailed);
}

}  // namespace

bool WriteOwnIdMaps(pid_t pid) {
  const auto write = [&](const char* file, const char* text) {
    char path[64];
    std::snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
    return linux::WriteFileAt(AT_FDCWD, path, text, std::strlen(text));
  };
  char users[64];
  char groups[64];
  std::snprintf(users, sizeof(users), "%u %u 1\n", kJobUid, ::geteuid());
  std::snprintf(groups, sizeof(groups), "%u %u 1\n", kJobUid, ::getegid());
  return write("setgroups", "deny") && write("uid_map", users) && write("gid_map", groups);
}

int ViewMain(Context* context, int argc, char** argv) {
  wire::Setup& setup = context->setup;
  bool ok = argc > kFirstWord && CopyName(argv[2], &setup.root) && argv[kFirstWord][0] == '/';
  if (ok && std::strcmp(argv[3], "-") != 0) {
    ok = CopyName(argv[3], &setup.mounts[0].source) && CopyName(argv[4], &setup.mounts[0].target) &&
         std::strstr(argv[4], "..") == nullptr;
    setup.mount_count = 1;
    context->writable_mounts = true;
  }
  if (!ok) {
    std::fputs("usage: sandbox-launcher --view ROOT SOURCE|- TARGET|- COMMAND...\n", stderr);
    return kViewFailed;
  }
  int go[2];
  if (::pipe2(go, O_CLOEXEC) != 0) {
    ViewFailed(Step::kFork);
  }
  clone_args args{};
  args.flags =
      CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
  args.exit_signal = SIGCHLD;
  const pid_t pid = linux::Clone3(&args);
  if (pid < 0) {
    ViewFailed(Step::kClone);
  }
  if (pid == 0) {
    ::close(go[1]);
    ViewInit(*context, go[0], argv + kFirstWord);
  }
  if (!WriteOwnIdMaps(pid)) {
    ViewFailed(Step::kIdMaps);
  }
  linux::WriteAll(go[1], "g", 1);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return ExitCode(status);
}

}  // namespace sandbox::launcher
