// sandbox-supervisor: runs one job inside a container of somebody else's making.
//
// Theory of operation. sandboxd puts this static program into the folder that it shares with the
// container, and has the Docker CLI execute it there: one process a job. The job arrives on
// standard input, frames leave on standard output (docker/wire.h); the job itself gets neither.
// This process is the subreaper of the job: whatever the job starts stays its descendant, so that
// it can be found and killed to the last. As root it gives each job a user of its own, so that a
// single kill(-1) reaches all of it. Where the kernel's limits do not fit (there is no cgroup of
// the job's own), it counts memory, time and processes itself. When standard input ends, sandboxd
// or the CLI is gone: it kills everything, removes the folder and ends.
//
//   sandbox-supervisor run                 one job
//   sandbox-supervisor check FOLDER SPACE  says hello, and removes what lost supervisors left

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "docker/supervisor/collect.h"
#include "docker/supervisor/folder.h"
#include "docker/supervisor/input.h"
#include "docker/supervisor/launch.h"
#include "docker/supervisor/output.h"
#include "docker/supervisor/processes.h"
#include "docker/supervisor/warm_up.h"
#include "docker/supervisor/watch.h"
#include "linux/confine.h"

namespace docker::supervisor {
namespace {

using sandbox::wire::Step;

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kAnswerTime = 30 * kSecond;
constexpr int64_t kTidyTime = 2 * kSecond;

wire::Hello MakeHello() {
  wire::Hello hello{};
  hello.version = wire::kVersion;
  hello.uid = ::geteuid();
  hello.landlock_abi = linux::LandlockAbi();
  return hello;
}

// Removes what supervisors that were killed may have left: of every user of our range, or of the
// one that jobs share, when nobody else runs.
void Tidy(const std::string& root, const Identity& identity) {
  if (identity.own_uid) {
    TidyUsers(root, identity.space);
  } else if (!IsAlone(identity)) {
    return;
  } else {
    KillJobsOf(identity.uid, Now() + kTidyTime);
  }
  RemoveAbandoned(root + "/jobs", identity);
  RemoveLeftovers(identity.uid);
}

int Check(const std::string& root, uint64_t space, Output* output) {
  wire::Hello hello = MakeHello();
  Identity identity;
  JobFolder folder;
  if (!TakeIdentity(root, space, &identity)) {
    hello.step = static_cast<uint32_t>(Step::kUser);
    hello.error = errno;
  } else {
    Tidy(root, identity);
    if (!MakeJobFolder(root + "/jobs", identity, &folder) || !RemoveJobFolder(folder)) {
      hello.step = static_cast<uint32_t>(Step::kBoxFd);
      hello.error = errno;
    }
  }
  output->Put(wire::FrameType::kHello, hello);
  return output->FlushAll(Now() + kAnswerTime) ? 0 : 1;
}

class Runner {
 public:
  explicit Runner(Output* output) : output_(output), input_(STDIN_FILENO) {}

  // False when nobody waits for an answer any more.
  bool Run() {
    output_->Put(wire::FrameType::kHello, MakeHello());
    output_->FlushAll(Now() + kAnswerTime);
    if (!input_.ReadJob(&job_)) {
      return Refuse(Step::kPayload);
    }
    if ((job_.header.flags & wire::kWarmUp) != 0) {
      return WarmUp();
    }
    const bool single = (job_.header.flags & wire::kSingleUse) != 0;
    const std::string jobs = single ? "/box" : job_.root + "/jobs";
    if (single) {
      identity_.uid = ::geteuid();
    } else if (!TakeIdentity(job_.root, job_.header.space, &identity_)) {
      return Refuse(Step::kUser);
    }
    if (identity_.own_uid) {
      RemoveAbandoned(jobs, identity_);
    }
    if (!MakeJobFolder(jobs, identity_, &folder_)) {
      return Refuse(Step::kBoxFd);
    }
    const int64_t owner = identity_.own_uid ? int64_t{identity_.uid} : -1;
    if (!input_.WriteFiles(job_, folder_.box.get(), owner) || !input_.ReadStdin(&job_)) {
      return Refuse(Step::kWriteFiles);
    }
    Launch launch;
    launch.job = &job_;
    launch.identity = &identity_;
    launch.landlock_abi = linux::LandlockAbi();
    launch.tasks_at_start =
        identity_.own_uid ? 0 : static_cast<int64_t>(ProcessesOf(identity_.uid).size()) + 8;
    PrepareLaunch(folder_.path + "/box", folder_.path + "/tmp", &launch);
    wire::Done done{};
    bool answer = RunWatched(&launch, single, &done);
    if (answer && (done.flags & sandbox::wire::kHasStatus) != 0 &&
        !Collect(job_, folder_.box.get(), output_)) {
      done.flags |= sandbox::wire::kMoreFiles;
    }
    Clean(single, &done);
    return answer && Answer(done);
  }

 private:
  bool RunWatched(Launch* launch, bool single, wire::Done* done) {
    Family family;
    family.supervisor = ::getpid();
    family.uid = identity_.uid;
    family.own_uid = identity_.own_uid;
    family.alone = single && ::getpid() == 1;
    Watch watch(job_, family, output_);
    return watch.Run(launch, done);
  }

  bool WarmUp() {
    Cache cache;
    if (!cache.Begin(job_.cache)) {
      return Refuse(Step::kBoxFd);
    }
    wire::Done done{};
    done.flags = sandbox::wire::kHasStatus;
    bool answer = true;
    if (!cache.complete()) {
      if (!input_.ReadStdin(&job_)) {
        return Refuse(Step::kPayload);
      }
      Launch launch;
      launch.job = &job_;
      launch.identity = &identity_;
      launch.trusted = true;
      PrepareLaunch(cache.building(), "/tmp", &launch);
      answer = RunWatched(&launch, false, &done);
      const bool good = answer && done.flags == sandbox::wire::kHasStatus && done.wait_status == 0;
      if (!cache.End(good) && good) {
        return Refuse(Step::kWriteFiles);
      }
    }
    return answer && Answer(done);
  }

  // Before the answer, so that whoever has it finds nothing of the job.
  void Clean(bool single, wire::Done* done) {
    if (single) {
      return;  // the container goes, and everything with it
    }
    const bool removed = RemoveJobFolder(folder_);
    const int error = errno;
    const bool tidy = (job_.header.flags & wire::kTidy) != 0;
    if (tidy && (identity_.own_uid || IsAlone(identity_))) {
      RemoveLeftovers(identity_.uid);
    }
    if (!removed && (done->flags & sandbox::wire::kEndedInternal) == 0) {
      done->flags |= sandbox::wire::kEndedInternal;
      done->step = static_cast<uint32_t>(Step::kRemoveFolder);
      done->error = error;
    }
  }

  bool Refuse(Step step) {
    wire::Done done{};
    done.flags = sandbox::wire::kEndedInternal;
    done.step = static_cast<uint32_t>(step);
    done.error = errno;
    const bool gone = done.error == EPIPE;
    RemoveJobFolder(folder_);
    return !gone && Answer(done);
  }

  bool Answer(const wire::Done& done) {
    output_->Put(wire::FrameType::kDone, done);
    return output_->FlushAll(Now() + kAnswerTime);
  }

  Output* output_;
  Input input_;
  Job job_;
  Identity identity_;
  JobFolder folder_;
};

int Main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  // What a terminal sends is not for us, and the end of standard input says all.
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGTERM, SIG_IGN);
  ::signal(SIGHUP, SIG_IGN);
  ::setsid();
  ::umask(022);
  // Not dumpable: another process of the same user can neither trace this one nor open its /proc.
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0 ||
      ::fcntl(STDOUT_FILENO, F_SETFL, O_NONBLOCK) != 0) {
    std::perror("sandbox-supervisor");
    return 1;
  }
  Output output(STDOUT_FILENO);
  if (argc == 4 && std::strcmp(argv[1], "check") == 0) {
    return Check(argv[2], std::strtoull(argv[3], nullptr, 16), &output);
  }
  if (argc == 2 && std::strcmp(argv[1], "run") == 0) {
    return Runner(&output).Run() ? 0 : 1;
  }
  std::fputs("sandbox-supervisor is started by sandboxd and not by hand\n", stderr);
  return 2;
}

}  // namespace
}  // namespace docker::supervisor

int main(int argc, char** argv) {
  return docker::supervisor::Main(argc, argv);
}
