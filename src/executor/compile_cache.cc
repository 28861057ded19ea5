#include "executor/compile_cache.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cerrno>
#include <chrono>
#include <deque>
#include <exception>
#include <list>
#include <unordered_map>
#include <utility>

#include "base/log.h"
#include "executor/program_files.h"
#include "executor/sha256.h"

namespace executor {
namespace {

using base::Result;
using base::UniqueFd;

// Of programs kept in memory, so that those that are used much need no file work. Each is a
// descriptor, too.
constexpr int64_t kMaxOpenBytes = 32LL << 20;
constexpr size_t kMaxOpen = 64;
// A program that was just compiled is about to run: until then the work on its file waits, which
// would take a processor from that.
constexpr std::chrono::milliseconds kSaveAfter(20);

// 0 when nothing keeps others from changing it.
int64_t SealedBytes(const UniqueFd& fd) {
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  const int seals = ::fcntl(fd.get(), F_GET_SEALS);  // EINVAL for everything but memfds

  struct stat info {};

  return seals >= 0 && (seals & kSeals) == kSeals && ::fstat(fd.get(), &info) == 0 ? info.st_size
                                                                                   : 0;
}

struct Entry {
  int64_t bytes = 0;
  std::shared_ptr<const CompiledProgram> open;  // in memory; null until it is used
  bool saved = true;                            // else it is in memory alone, and stays there
  std::list<std::string>::iterator used;        // its place in the order of use
};

}  // namespace

class CompileCache::Impl {
 public:
  Impl(boost::asio::io_context& loop, UniqueFd folder, int64_t max_bytes)
      : loop_(loop), program_files_(std::move(folder)), max_bytes_(max_bytes), save_timer_(loop) {}

  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  ~Impl() { files_.join(); }

  // At the end: what is not in a file yet is written.
  void SaveAll() { SaveFresh(fresh_.size()); }

  // Before the loop runs.
  Result<void> ReadFolder() {
    const auto entries = program_files_.List();
    if (!entries) {
      return entries.error();
    }
    for (const ProgramFiles::Entry& entry : *entries) {
      Insert(entry.key, entry.bytes);
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
      std::shared_ptr<const CompiledProgram> program = program_files_.Load(key);
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
    const int64_t size = SealedBytes(*binary);
    const int64_t bytes = ProgramFiles::LeastBytes(size);  // until the notes are written
    if (size == 0 || bytes > max_bytes_ || entries_.find(key) != entries_.end()) {
      return;
    }
    auto program = std::make_shared<CompiledProgram>();
    program->compile = compile;
    program->compile.cached = true;
    program->compile.usage = {};
    program->binary = std::move(binary);
    Entry& entry = Insert(key, bytes);
    entry.saved = false;
    KeepOpen(entry, program);
    fresh_.push_back(
        {key, std::move(program), bytes, std::chrono::steady_clock::now() + kSaveAfter});
    fresh_bytes_ += bytes;
    Shrink();
    if (fresh_bytes_ > kMaxOpenBytes || fresh_.size() > kMaxOpen) {
      SaveFresh(1);
    }
    AwaitSave();
  }

 private:
  struct Fresh {
    std::string key;
    std::shared_ptr<const CompiledProgram> program;
    int64_t bytes = 0;
    std::chrono::steady_clock::time_point due;
  };

  // The key is new.
  Entry& Insert(const std::string& key, int64_t bytes) {
    Entry& entry = entries_[key];
    entry.used = order_.insert(order_.end(), key);
    entry.bytes = bytes;
    total_ += bytes;
    return entry;
  }

  void AwaitSave() {
    if (awaits_save_ || fresh_.empty()) {
      return;
    }
    awaits_save_ = true;
    save_timer_.expires_at(fresh_.front().due);
    save_timer_.async_wait([this, alive = std::weak_ptr<bool>(alive_)](const auto&) {
      if (alive.expired()) {
        return;
      }
      awaits_save_ = false;
      const auto now = std::chrono::steady_clock::now();
      const auto waits = [now](const Fresh& fresh) { return fresh.due > now; };
      const auto due = std::find_if(fresh_.begin(), fresh_.end(), waits);
      SaveFresh(static_cast<size_t>(due - fresh_.begin()));
      AwaitSave();
    });
  }

  // Writes the first `count` of them, but for those that have been pushed out meanwhile.
  void SaveFresh(size_t count) {
    for (; count > 0; --count) {
      Fresh fresh = std::move(fresh_.front());
      fresh_.pop_front();
      fresh_bytes_ -= fresh.bytes;
      const auto it = entries_.find(fresh.key);
      if (it == entries_.end() || it->second.open != fresh.program) {
        continue;
      }
      boost::asio::post(files_, [this, alive = std::weak_ptr<bool>(alive_), fresh]() mutable {
        const int64_t bytes = program_files_.Save(fresh.key, *fresh.program, max_bytes_);
        boost::asio::post(loop_, [this, alive = std::move(alive), fresh, bytes] {
          if (!alive.expired()) {
            Saved(fresh, bytes);
          }
        });
      });
    }
  }

  // `bytes`: that it takes on disk, 0 when it could not be written.
  void Saved(const Fresh& fresh, int64_t bytes) {
    const auto it = entries_.find(fresh.key);
    if (it == entries_.end() || it->second.open != fresh.program) {
      return;
    }
    if (bytes == 0) {
      return Remove(it);
    }
    Entry& entry = it->second;
    entry.saved = true;
    total_ += bytes - entry.bytes;
    open_bytes_ += bytes - entry.bytes;
    entry.bytes = bytes;
    Shrink();
    CloseSome();
  }

  void Touch(Entry& entry) { order_.splice(order_.end(), order_, entry.used); }

  void Loaded(const std::string& key, const std::shared_ptr<const CompiledProgram>& program) {
    const auto it = entries_.find(key);
    if (it == entries_.end()) {
      return;
    }
    if (it->second.open != nullptr) {
      return;  // stored anew meanwhile
    }
    if (program == nullptr) {
      base::Log(base::LogLevel::kWarning, "an entry of the compile cache is unusable",
                {{"key", key}});
      return Remove(it);
    }
    KeepOpen(it->second, program);
    CloseSome();
  }

  void KeepOpen(Entry& entry, std::shared_ptr<const CompiledProgram> program) {
    entry.open = std::move(program);
    open_bytes_ += entry.bytes;
    ++open_;
  }

  // Lets go of the memory of what was not used for longest; the last one stays, and what is in no
  // file yet.
  void CloseSome() {
    for (auto key = order_.begin(); (open_bytes_ > kMaxOpenBytes || open_ > kMaxOpen) &&
                                    key != order_.end() && key != std::prev(order_.end());
         ++key) {
      Entry& entry = entries_.find(*key)->second;
      if (entry.saved) {
        Close(entry);
      }
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
    boost::asio::post(files_, [this, key] { program_files_.Remove(key); });
  }

  boost::asio::io_context& loop_;
  const ProgramFiles program_files_;  // used on the thread for files, but for ReadFolder
  const int64_t max_bytes_;
  int64_t total_ = 0;
  std::unordered_map<std::string, Entry> entries_;
  std::list<std::string> order_;  // keys, the longest unused first
  int64_t open_bytes_ = 0;        // of the entries in memory
  size_t open_ = 0;               // how many those are
  std::deque<Fresh> fresh_;       // in no file yet, the oldest first
  int64_t fresh_bytes_ = 0;
  boost::asio::steady_timer save_timer_;
  bool awaits_save_ = false;
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

CompileCache::~CompileCache() {
  try {
    impl_->SaveAll();
  } catch (const std::exception& e) {
    base::Log(base::LogLevel::kWarning, "cannot keep compiled programs", {{"error", e.what()}});
  }
}

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
