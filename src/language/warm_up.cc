#include "language/warm_up.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/fingerprint.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "language/loader.h"
#include "language/process.h"

namespace language {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStamp = "warm-up.complete";
constexpr int kLockPollMs = 100;

// Everything that decides what the warm-up produces.
std::string CacheKey(const Language& language, const Place& place) {
  base::Fingerprint hash;
  hash.Add("1");
  hash.Add(place.key);
  hash.Add(language.tool);
  hash.Add(language.version);
  hash.Add(language.tool_stamp);
  for (const std::string& arg : language.warm_up->argv) {
    hash.Add(arg);
  }
  hash.Add("");
  for (const auto& [name, value] : language.warm_up->env) {
    hash.Add(name);
    hash.Add(value);
  }
  return hash.Hex();
}

// Released when the descriptor is closed.
base::Result<base::UniqueFd> BlockingLock(const fs::path& path, base::Nanos deadline) {
  base::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd.valid()) {
    return base::SysError("open " + path.string(), errno);
  }
  const base::Nanos start = base::MonotonicNow();
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      return base::SysError("flock " + path.string(), errno);
    }
    if (base::MonotonicNow() - start >= deadline) {
      return base::Error{base::ErrorKind::kDeadline,
                         "another process is still warming up in " + path.parent_path().string(),
                         0};
    }
    ::poll(nullptr, 0, kLockPollMs);
  }
  return fd;
}

void MakeReadable(const fs::path& folder) {
  constexpr fs::perms kRead =
      fs::perms::owner_read | fs::perms::group_read | fs::perms::others_read;
  constexpr fs::perms kExec =
      fs::perms::owner_exec | fs::perms::group_exec | fs::perms::others_exec;
  fs::permissions(folder, kRead | kExec, fs::perm_options::add);
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_symlink()) {
      continue;
    }
    const bool executable =
        (entry.status().permissions() & fs::perms::owner_exec) != fs::perms::none;
    fs::permissions(entry.path(), entry.is_directory() || executable ? kRead | kExec : kRead,
                    fs::perm_options::add);
  }
}

std::string LastLine(std::string text) {
  while (!text.empty() && text.back() == '\n') {
    text.pop_back();
  }
  const size_t at = text.rfind('\n');
  return base::Printable(at == std::string::npos ? text : text.substr(at + 1));
}

base::Result<void> BlockingFill(const Language& language, const fs::path& folder,
                                base::Nanos deadline, const std::function<void(std::string)>& say,
                                const Place& place) {
  Command command;
  std::string cache = folder.string();
  if (place.elsewhere()) {
    const CacheMount mount{folder.string(), language.warm_up->mount};
    command.argv = place.prefix(&mount);
    cache = mount.target;
  }
  for (const std::string& arg : language.warm_up->argv) {
    command.argv.push_back(Expand(arg, "{cache}", cache));
  }
  command.env = ToolEnv(language.warm_up->env);
  for (auto& [name, value] : command.env) {
    value = Expand(value, "{cache}", cache);
  }
  command.folder = folder.string();
  command.deadline = deadline;
  command.on_progress = [&](base::Nanos elapsed) {
    say(language.name + ": still warming up, " +
        base::FormatDuration(elapsed / base::kSecond * base::kSecond) + " so far");
  };
  const base::Result<CommandResult> result = BlockingRun(command);
  if (!result) {
    return result.error();
  }
  if (result->exit_code != 0) {
    return base::Internal("the warm-up ended with exit code " + std::to_string(result->exit_code) +
                          ": " + LastLine(result->output));
  }
  if (const std::string note = LastLine(result->output); !note.empty()) {
    say(language.name + ": " + note);
  }
  MakeReadable(folder);
  std::ofstream stamp(folder / kStamp);
  stamp << language.tool << "\n" << language.version << "\n";
  stamp.close();
  if (!stamp) {
    return base::Internal("write " + (folder / kStamp).string() + " failed");
  }
  fs::permissions(folder / kStamp, fs::perms::others_read | fs::perms::group_read,
                  fs::perm_options::add);
  return {};
}

// Removes what belongs to the language (finished folders of other versions, and what an interrupted
// warm-up left). A folder's name is "<id>-<16 hex digits>", with ".new" while it is
// built.
void RemoveAll(const fs::path& root, const std::string& id) {
  constexpr size_t kHexLength = 16;
  for (const fs::directory_entry& entry : fs::directory_iterator(root)) {
    const std::string name = entry.path().filename().string();
    if (name.compare(0, id.size() + 1, id + "-") != 0) {
      continue;
    }
    std::string rest = name.substr(id.size() + 1);
    if (rest.ends_with(".new")) {
      rest.resize(rest.size() - 4);
    }
    if (rest.size() == kHexLength &&
        rest.find_first_not_of("0123456789abcdef") == std::string::npos) {
      fs::remove_all(entry.path());
    }
  }
}

base::Result<std::string> BlockingWarmUpUnchecked(const Language& language,
                                                  const std::string& cache_root,
                                                  base::Nanos deadline,
                                                  const std::function<void(std::string)>& say,
                                                  const Place& place) {
  const base::Nanos start = base::MonotonicNow();
  const fs::path root(cache_root);
  const std::string name = WarmUpName(language, place);
  const fs::path folder = root / name;
  fs::create_directories(root);
  const base::Result<base::UniqueFd> lock = BlockingLock(root / ".lock", deadline);
  if (!lock) {
    return lock.error();
  }
  if (fs::exists(folder / kStamp)) {
    return folder.string();
  }
  say(language.name + " " + language.version +
      ": warming up, once for this version of the toolchain");
  RemoveAll(root, language.id);
  const fs::path building = root / (name + ".new");
  fs::create_directories(building);
  const base::Nanos left = deadline - (base::MonotonicNow() - start);
  base::Result<void> filled = BlockingFill(language, building, left, say, place);
  if (!filled) {
    fs::remove_all(building);
    return filled.error();
  }
  fs::rename(building, folder);
  const base::Nanos elapsed = base::MonotonicNow() - start;
  say(language.name + " " + language.version + ": warmed up in " +
      base::FormatDuration(elapsed / base::kMillisecond * base::kMillisecond));
  return folder.string();
}

}  // namespace

std::string WarmUpName(const Language& language, const Place& place) {
  return language.id + "-" + CacheKey(language, place);
}

base::Result<std::string> BlockingWarmUpOne(const Language& language, const std::string& cache_root,
                                            base::Nanos deadline,
                                            const std::function<void(std::string)>& say,
                                            const Place& place) {
  try {
    return BlockingWarmUpUnchecked(language, cache_root, deadline, say, place);
  } catch (const fs::filesystem_error& e) {
    return base::Internal(base::Printable(e.what(), 400));
  }
}

}  // namespace language
