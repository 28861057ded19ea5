#include "executor/program_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "base/log.h"
#include "executor/sha256.h"
#include "job/json.h"

namespace executor {
namespace {

using base::Result;
using base::UniqueFd;

// What a file takes of a disk is a multiple of this, however small it is.
constexpr int64_t kBlock = 4096;
constexpr int64_t kMaxNotes = 8LL << 20;  // of one entry: what a compiler printed
constexpr std::string_view kNotes = ".json";
constexpr std::string_view kFresh = ".new";  // while it is written

bool IsKey(std::string_view name) {
  return name.size() == Sha256::kHexLength &&
         name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// The hash of a whole file; empty when it cannot be read.
std::string HashOf(const UniqueFd& fd, int64_t size) {
  Sha256 hash;
  if (size > 0) {
    void* map = ::mmap(nullptr, static_cast<size_t>(size), PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (map == MAP_FAILED) {
      return "";
    }
    hash.Add(map, static_cast<size_t>(size));
    ::munmap(map, static_cast<size_t>(size));
  }
  return hash.Hex();
}

std::optional<int64_t> SizeOf(const UniqueFd& fd) {
  struct stat info {};

  return fd.valid() && ::fstat(fd.get(), &info) == 0 && S_ISREG(info.st_mode)
             ? std::optional<int64_t>(info.st_size)
             : std::nullopt;
}

int64_t OnDisk(int64_t bytes) {
  return std::max<int64_t>(1, (bytes + kBlock - 1) / kBlock) * kBlock;
}

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno != EINTR) {
      return false;
    }
    bytes.remove_prefix(n > 0 ? static_cast<size_t>(n) : 0);
  }
  return true;
}

bool CopyAll(int from, int to, int64_t size) {
  off_t offset = 0;
  while (offset < size) {
    const ssize_t n = ::sendfile(to, from, &offset, static_cast<size_t>(size - offset));
    if (n == 0 || (n < 0 && errno != EINTR)) {
      return false;
    }
  }
  return true;
}

}  // namespace

Result<std::vector<ProgramFiles::Entry>> ProgramFiles::List() const {
  const int copy = ::fcntl(folder_.get(), F_DUPFD_CLOEXEC, 0);
  DIR* dir = copy < 0 ? nullptr : ::fdopendir(copy);
  if (dir == nullptr) {
    return base::SysError("read the compile cache", errno);
  }

  struct Seen {
    int64_t at = 0;
    Entry entry;
  };

  std::vector<Seen> seen;
  std::vector<std::string> strays;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own
  for (const dirent* item = ::readdir(dir); item != nullptr; item = ::readdir(dir)) {
    const std::string name = item->d_name;
    const std::string key = name.substr(0, Sha256::kHexLength);
    if (!IsKey(key)) {
      continue;
    }
    strays.push_back(name);
    if (name != key + std::string(kNotes)) {
      continue;
    }

    struct stat notes {};

    struct stat binary {};

    if (::fstatat(folder_.get(), name.c_str(), &notes, AT_SYMLINK_NOFOLLOW) == 0 &&
        ::fstatat(folder_.get(), key.c_str(), &binary, AT_SYMLINK_NOFOLLOW) == 0) {
      seen.push_back({notes.st_mtim.tv_sec, {key, OnDisk(notes.st_size) + OnDisk(binary.st_size)}});
    }
  }
  ::closedir(dir);
  std::sort(seen.begin(), seen.end(), [](const Seen& a, const Seen& b) { return a.at < b.at; });
  std::vector<Entry> entries;
  std::unordered_set<std::string> whole;
  for (Seen& one : seen) {
    whole.insert(one.entry.key);
    entries.push_back(std::move(one.entry));
  }
  for (const std::string& name : strays) {
    if (name.ends_with(kFresh) || whole.count(name.substr(0, Sha256::kHexLength)) == 0) {
      ::unlinkat(folder_.get(), name.c_str(), 0);
    }
  }
  return entries;
}

UniqueFd ProgramFiles::OpenFile(const std::string& name, int flags) const {
  return UniqueFd(::openat(folder_.get(), name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600));
}

std::shared_ptr<const CompiledProgram> ProgramFiles::Load(const std::string& key) const {
  const std::string notes_name = key + std::string(kNotes);
  const UniqueFd notes = OpenFile(notes_name, O_RDONLY);
  const std::optional<int64_t> notes_size = SizeOf(notes);
  const UniqueFd file = OpenFile(key, O_RDONLY);
  const std::optional<int64_t> size = SizeOf(file);
  if (!notes_size || !size || *notes_size > kMaxNotes) {
    return nullptr;
  }
  // Sealed before it is verified: from then on nothing can change it.
  auto program = std::make_shared<CompiledProgram>();
  program->binary =
      std::make_shared<UniqueFd>(::memfd_create("program", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  const int binary = program->binary->get();
  if (!program->binary->valid() || !CopyAll(file.get(), binary, *size) ||
      ::fcntl(binary, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0) {
    return nullptr;
  }
  std::string text(static_cast<size_t>(*notes_size), '\0');
  const size_t line = Sha256::kHexLength + 1;
  if (::pread(notes.get(), text.data(), text.size(), 0) != *notes_size || text.size() <= line ||
      HashOf(*program->binary, *size) != text.substr(0, Sha256::kHexLength)) {
    return nullptr;
  }
  Result<job::Result> stored = job::DecodeResult(std::string_view(text).substr(line));
  if (!stored || !stored->compile) {
    return nullptr;
  }
  program->compile = std::move(*stored->compile);
  program->compile.cached = true;
  ::utimensat(folder_.get(), notes_name.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
  return program;
}

int64_t ProgramFiles::Save(const std::string& key, const CompiledProgram& program,
                           int64_t max_bytes) const {
  const UniqueFd& binary = *program.binary;
  const std::optional<int64_t> size = SizeOf(binary);
  const std::string hash = size ? HashOf(binary, *size) : "";
  job::Result carrier;
  carrier.compile = program.compile;
  const std::string notes = hash + "\n" + job::EncodeResult(carrier);
  const auto notes_size = static_cast<int64_t>(notes.size());
  const int64_t bytes = size ? OnDisk(*size) + OnDisk(notes_size) : 0;
  if (hash.empty() || bytes > max_bytes || notes_size > kMaxNotes) {
    return 0;
  }
  const auto write = [&](const std::string& name, auto fill) {
    const std::string fresh = name + std::string(kFresh);
    const UniqueFd fd = OpenFile(fresh, O_WRONLY | O_CREAT | O_TRUNC);
    if (fd.valid() && fill(fd.get()) &&
        ::renameat(folder_.get(), fresh.c_str(), folder_.get(), name.c_str()) == 0) {
      return true;
    }
    base::Log(base::LogLevel::kWarning, "cannot keep a compiled program",
              {{"error", base::SysError("write", errno).message}});
    ::unlinkat(folder_.get(), fresh.c_str(), 0);
    return false;
  };
  const bool saved = write(key, [&](int fd) { return CopyAll(binary.get(), fd, *size); }) &&
                     write(key + std::string(kNotes), [&](int fd) { return WriteAll(fd, notes); });
  return saved ? bytes : 0;
}

void ProgramFiles::Remove(const std::string& key) const {
  ::unlinkat(folder_.get(), (key + std::string(kNotes)).c_str(), 0);
  ::unlinkat(folder_.get(), key.c_str(), 0);
}

int64_t ProgramFiles::LeastBytes(int64_t program_bytes) {
  return OnDisk(program_bytes) + kBlock;
}

}  // namespace executor
