#pragma once

#include <array>
#include <cstdint>

#include "base/unique_fd.h"

// Control groups, version 1 (one tree a controller) and version 2 (one tree), behind one face. Used
// by the launcher only; single-threaded; no exceptions. Functions return false with errno set.
namespace linux {

struct CgroupUsage {
  int64_t cpu_nanos = 0;
  int64_t memory_peak_bytes = 0;
  int64_t tasks_peak = 0;
  int64_t oom_kills = 0;
  int64_t refused_forks = 0;
};

// What the processes of a group use at the moment; -1: this kernel does not tell.
struct CgroupNow {
  int64_t cpu_nanos = -1;  // since the group was made
  int64_t memory_bytes = -1;
  int64_t memory_peak_bytes = -1;
  int64_t tasks = -1;
};

// The open folders of one sandbox's cgroup: one on version 2, one a controller on version 1.
struct CgroupLeaf {
  static constexpr int kMaxFolders = 4;
  static constexpr int kTasks = 1;  // of version 1: the folder that bounds their number
  std::array<base::UniqueFd, kMaxFolders> folders;
};

// The folder that this launcher owns, below which each sandbox has a leaf. Its name carries the
// launcher's pid, start time and pid namespace, so that a later launcher can tell a dead one's
// leavings from a live one's folder.
class CgroupBase {
 public:
  // Finds a place where this process may create groups with memory, pids and cpu control, creates
  // the folder and clears away those of dead launchers. On version 2 it moves this process and the
  // one that started it out of a group that is delegated to them into one below, since a group
  // with members cannot give its children controllers. Returns 0 (nothing usable), 1 or 2; when 0,
  // `why` holds a sentence.
  int Open(char* why, size_t why_size);

  // 0, 1 or 2.
  int version() const { return version_; }

  // Makes and opens what `leaf` does not have open. EEXIST is an error: a name is used once.
  bool Create(const char* name, CgroupLeaf* leaf) const;
  bool OpenLeaf(const char* name, CgroupLeaf* leaf) const;  // the same, where it has been made
  bool Remove(const char* name);  // true also when it is gone already; EBUSY while processes remain

  // Version 1 only, where making and removing groups costs as much as all else of a small job: true
  // when the group, which has had its processes, can serve others as a new one. It has none left,
  // next to no memory is charged to it, nothing was killed or refused, and what it has counted can
  // be told from what comes. Where only a part can be had anew, that is removed and closed.
  bool Renew(const char* name, CgroupLeaf* leaf) const;

  // Removes the folder itself, and moves back what Open has moved. Blocking, 1 s at most.
  void Close();

  // Version 1 only: moves the calling process in, which must have one thread.
  bool EnterSelf(const CgroupLeaf& leaf) const;

  // The file of each folder that moves the process that writes "0" to it. On version 1 that of
  // threads: to move the calling thread alone takes no lock that all forks and exits of the machine
  // wait for (cgroup_procs_write_start, Linux 5.5), and a process with one thread is moved as a
  // whole.
  const char* enter_file() const { return version_ == 2 ? "cgroup.procs" : "tasks"; }

  // All processes together; swap is off. On version 2 the kernel kills the whole group when out of
  // memory. Version 1 counts the buffers of network sockets apart: they get a quarter on top.
  bool SetMemory(const CgroupLeaf& leaf, int64_t bytes) const;
  bool SetTasks(const CgroupLeaf& leaf, int64_t tasks) const;

  // The time of so many processors in each period of 100 ms.
  bool SetCpus(const CgroupLeaf& leaf, int64_t cpus) const;

  // Starts peak measuring anew where the kernel can.
  void ResetPeaks(const CgroupLeaf& leaf) const;

  bool Read(const CgroupLeaf& leaf, CgroupUsage* usage) const;
  CgroupNow ReadNow(const CgroupLeaf& leaf) const;
  int64_t ReadCpuNanos(const CgroupLeaf& leaf) const;
  int64_t ReadMemoryPeak(const CgroupLeaf& leaf) const;  // -1: this kernel does not tell
  int64_t ReadOomKills(const CgroupLeaf& leaf) const;
  int64_t ReadTasks(const CgroupLeaf& leaf) const;  // zombies included; -1: not known

  // Version 2 only: kills every member, atomically against fork. The leaf is unusable afterwards.
  void Kill(const CgroupLeaf& leaf) const;

  // True while any process, zombies included, is a member.
  bool Populated(const CgroupLeaf& leaf) const;

 private:
  bool OpenV1(char* why, size_t why_size);
  bool OpenV2(char* why, size_t why_size);
  bool OpenV2At(const char* path, bool own, bool top, char* why, size_t why_size);
  void LeaveService();

  int version_ = 0;
  bool service_ = false;  // version 2: a group for the service was made below the delegated one
  int folder_count_ = 0;
  std::array<base::UniqueFd, CgroupLeaf::kMaxFolders> parents_;
  std::array<base::UniqueFd, CgroupLeaf::kMaxFolders> folders_;
  std::array<char, 96> name_{};
};

}  // namespace linux
