#include "executor/compile_cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cerrno>
#include <list>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/log.h"
#include "base/text.h"
#include "job/json.h"

namespace executor {
namespace {

using base::Result;
using base::UniqueFd;

constexpr size_t kHashBytes = 32;
constexpr size_t kHashLength = 2 * kHashBytes;  // in hexadecimal
// Of programs kept in memory, so that those that are used much need no file work. Each is a
// descriptor, too.
constexpr int64_t kMaxOpenBytes = 32LL << 20;
constexpr int kMaxOpen = 64;
// What a file takes of a disk is a multiple of this, however small it is.
constexpr int64_t kBlock = 4096;
constexpr int64_t kMaxNotes = 8LL << 20;  // of one entry: what a compiler printed
constexpr std::string_view kNotes = ".json";
constexpr std::string_view kFresh = ".new";  // while it is written

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new()) {
    if (context_ != nullptr) {
      EVP_DigestInit_ex(context_, EVP_sha256(), nullptr);
    }
  }

  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  ~Sha256() { EVP_MD_CTX_free(context_); }

  void Add(const void* data, size_t size) { EVP_DigestUpdate(context_, data, size); }

  // With its length, so that no two lists of texts read the same.
  void AddText(std::string_view text) {
    const uint64_t size = text.size();
    Add(&size, sizeof(size));
    Add(text.data(), text.size());
  }

  std::string Hex() {
    std::array<unsigned char, kHashBytes> hash{};
    EVP_DigestFinal_ex(context_, hash.data(), nullptr);
    std::string out;
    for (const unsigned char byte : hash) {
      constexpr std::string_view kDigits = "0123456789abcdef";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
    return out;
  }

 private:
  EVP_MD_CTX* context_;
};

bool IsKey(std::string_view name) {
  return name.size() == kHashLength &&
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

// An entry on disk is two files: KEY is the program, KEY.json one line with the program's hash and
// one with what the compiler said. The notes are written last and removed first.
struct Entry {
  int64_t bytes = 0;
  std::shared_ptr<const CompiledProgram> open;  // in memory; null until it is used
  std::list<std::string>::iterator used;        // its place in the order of use
};

}  // namespace

class CompileCache::Impl {
 public:
  Impl(boost::asio::io_context& loop, UniqueFd folder, int64_t max_bytes)
      : loop_(loop), folder_(std::move(folder)), max_bytes_(max_bytes) {}

  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  ~Impl() { files_.join(); }

  // Before the loop runs: what earlier processes left, the latest used last.
  Result<void> ReadFolder() {
    const int copy = ::fcntl(folder_.get(), F_DUPFD_CLOEXEC, 0);
    DIR* dir = copy < 0 ? nullptr : ::fdopendir(copy);
    if (dir == nullptr) {
      return base::SysError("read the compile cache", errno);
    }

    struct Seen {
      int64_t at = 0;
      std::string key;
      int64_t bytes = 0;
    };

    std::vector<Seen> seen;
    std::vector<std::string> strays;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own
    for (const dirent* item = ::readdir(dir); item != nullptr; item = ::readdir(dir)) {
      const std::string name = item->d_name;
      const std::string key = name.substr(0, kHashLength);
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
        seen.push_back({notes.st_mtim.tv_sec, key, OnDisk(notes.st_size) + OnDisk(binary.st_size)});
      }
    }
    ::closedir(dir);
    std::sort(seen.begin(), seen.end(), [](const Seen& a, const Seen& b) { return a.at < b.at; });
    for (const Seen& entry : seen) {
      Insert(entry.key, entry.bytes);
    }
    for (const std::string& name : strays) {  // of a write that was interrupted
      if (name.ends_with(kFresh) || entries_.find(name.substr(0, kHashLength)) == entries_.end()) {
        ::unlinkat(folder_.get(), name.c_str(), 0);
      }
    }
    Shrink();
    return {};
  }

  void Find(const std::string& key, Found found) {
    const auto it = entries_.find(key);
    if (it == entries_.end()) {
      return found(nullptr);
    }
    Touch(it->second);
    if (it->second.open != nullptr) {
      return found(it->second.open);
    }
    boost::asio::post(files_, [this, alive = std::weak_ptr<bool>(alive_), key,
                               found = std::move(found)]() mutable {
      std::shared_ptr<const CompiledProgram> program = Load(key);
      boost::asio::post(loop_, [this, alive = std::move(alive), key, program = std::move(program),
                                found = std::move(found)] {
        if (!alive.expired()) {
          Loaded(key, program);
          found(program);
        }
      });
    });
  }

  void Store(const std::string& key, const job::CompileResult& compile,
             std::shared_ptr<UniqueFd> binary) {
    if (max_bytes_ == 0 || entries_.find(key) != entries_.end()) {
      return;
    }
    boost::asio::post(files_, [this, alive = std::weak_ptr<bool>(alive_), key, compile = compile,
                               binary = std::move(binary)]() mutable {
      const int64_t bytes = Save(key, std::move(compile), *binary);
      boost::asio::post(loop_, [this, alive = std::move(alive), key, bytes] {
        if (!alive.expired() && bytes > 0) {
          Insert(key, bytes);
          Shrink();
        }
      });
    });
  }

 private:
  void Insert(const std::string& key, int64_t bytes) {
    const auto [it, added] = entries_.try_emplace(key);
    if (added) {
      it->second.used = order_.insert(order_.end(), key);
    } else {
      Close(it->second);
      total_ -= it->second.bytes;
    }
    it->second.bytes = bytes;
    total_ += bytes;
  }

  void Touch(Entry& entry) { order_.splice(order_.end(), order_, entry.used); }

  void Loaded(const std::string& key, const std::shared_ptr<const CompiledProgram>& program) {
    const auto it = entries_.find(key);
    if (it == entries_.end()) {
      return;
    }
    if (program == nullptr) {
      base::Log(base::LogLevel::kWarning, "an entry of the compile cache is unusable",
                {{"key", key}});
      return Remove(it);
    }
    if (it->second.open == nullptr) {
      it->second.open = program;
      open_bytes_ += it->second.bytes;
      ++open_;
      CloseSome();
    }
  }

  // Lets go of the memory of what was not used for longest; the last one stays.
  void CloseSome() {
    for (auto key = order_.begin();
         (open_bytes_ > kMaxOpenBytes || open_ > kMaxOpen) && key != std::prev(order_.end());
         ++key) {
      Close(entries_.find(*key)->second);
    }
  }

  void Close(Entry& entry) {
    if (std::exchange(entry.open, nullptr) != nullptr) {
      open_bytes_ -= entry.bytes;
      --open_;
    }
  }

  void Shrink() {
    while (total_ > max_bytes_ && !order_.empty()) {
      Remove(entries_.find(order_.front()));
    }
  }

  void Remove(std::unordered_map<std::string, Entry>::iterator it) {
    Close(it->second);
    total_ -= it->second.bytes;
    order_.erase(it->second.used);
    const std::string key = it->first;
    entries_.erase(it);
    boost::asio::post(files_, [this, key] {
      ::unlinkat(folder_.get(), (key + std::string(kNotes)).c_str(), 0);
      ::unlinkat(folder_.get(), key.c_str(), 0);
    });
  }

  // The rest runs on the thread for files.

  UniqueFd OpenFile(const std::string& name, int flags) const {
    return UniqueFd(::openat(folder_.get(), name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600));
  }

  std::shared_ptr<const CompiledProgram> Load(const std::string& key) const {
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
        ::fcntl(binary, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) !=
            0) {
      return nullptr;
    }
    std::string text(static_cast<size_t>(*notes_size), '\0');
    const size_t line = kHashLength + 1;
    if (::pread(notes.get(), text.data(), text.size(), 0) != *notes_size || text.size() <= line ||
        HashOf(*program->binary, *size) != text.substr(0, kHashLength)) {
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

  // The bytes that the entry takes on disk; 0 when it could not be saved.
  int64_t Save(const std::string& key, job::CompileResult compile, const UniqueFd& binary) const {
    const std::optional<int64_t> size = SizeOf(binary);
    const std::string hash = size ? HashOf(binary, *size) : "";
    compile.usage = {};
    job::Result carrier;
    carrier.compile = std::move(compile);
    const std::string notes = hash + "\n" + job::EncodeResult(carrier);
    const auto notes_size = static_cast<int64_t>(notes.size());
    const int64_t bytes = size ? OnDisk(*size) + OnDisk(notes_size) : 0;
    if (hash.empty() || bytes > max_bytes_ || notes_size > kMaxNotes) {
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
    const bool saved =
        write(key, [&](int fd) { return CopyAll(binary.get(), fd, *size); }) &&
        write(key + std::string(kNotes), [&](int fd) { return WriteAll(fd, notes); });
    return saved ? bytes : 0;
  }

  boost::asio::io_context& loop_;
  const UniqueFd folder_;
  const int64_t max_bytes_;
  int64_t total_ = 0;
  std::unordered_map<std::string, Entry> entries_;
  std::list<std::string> order_;  // keys, the longest unused first
  int64_t open_bytes_ = 0;        // of the entries in memory
  int open_ = 0;                  // how many those are
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  boost::asio::thread_pool files_{1};  // last: its work uses the members above
};

Result<std::unique_ptr<CompileCache>> CompileCache::Open(boost::asio::io_context& loop,
                                                         std::string folder, int64_t max_bytes) {
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd.valid()) {
    return base::SysError("open " + folder, errno);
  }
  auto impl = std::make_unique<Impl>(loop, std::move(fd), max_bytes);
  if (Result<void> read = impl->ReadFolder(); !read) {
    return read.error();
  }
  return std::unique_ptr<CompileCache>(new CompileCache(std::move(impl)));
}

CompileCache::CompileCache(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

CompileCache::~CompileCache() = default;

std::string CompileCache::Key(const CompileInput& input) {
  Sha256 hash;
  hash.AddText("1");  // of this file's format
  hash.AddText(input.toolchain);
  const auto add_count = [&hash](size_t count) { hash.AddText(std::to_string(count)); };
  add_count(input.argv.size());
  for (const std::string& arg : input.argv) {
    hash.AddText(arg);
  }
  for (const auto* pairs : {&input.env, &input.files}) {
    add_count(pairs->size());
    for (const auto& [name, value] : *pairs) {
      hash.AddText(name);
      hash.AddText(value);
    }
  }
  return hash.Hex();
}

void CompileCache::Find(const std::string& key, Found found) {
  impl_->Find(key, std::move(found));
}

void CompileCache::Store(const std::string& key, const job::CompileResult& compile,
                         std::shared_ptr<UniqueFd> binary) {
  impl_->Store(key, compile, std::move(binary));
}

}  // namespace executor
