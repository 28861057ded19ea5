#include "store/redis_output.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <optional>
#include <utility>

#include "base/registry.h"
#include "store/redis_scripts.h"

namespace store {
namespace {

constexpr std::chrono::milliseconds kCollectFor(20);
constexpr size_t kCollectBytes = size_t{32} << 10;
constexpr std::string_view kNoEntry = "0-0";

std::string_view Name(sandbox::Stream stream) {
  return stream == sandbox::Stream::kStdout ? "o" : "e";
}

int64_t& OffsetOf(job::OutputPosition& position, sandbox::Stream stream) {
  return stream == sandbox::Stream::kStdout ? position.stdout_offset : position.stderr_offset;
}

// An entry of the stream: {id, {"s", stream, "o", offset, "d", data}}. Fields of later versions are
// ignored.
std::optional<job::OutputChunk> ReadChunk(uint64_t run, const RedisReply& entry) {
  if (entry.items.size() != 2) {
    return std::nullopt;
  }
  job::OutputChunk chunk;
  chunk.run = run;
  const std::vector<RedisReply>& fields = entry.items[1].items;
  for (size_t i = 0; i + 1 < fields.size(); i += 2) {
    const RedisReply& value = fields[i + 1];
    if (fields[i].IsText("s")) {
      chunk.stream = value.IsText("e") ? sandbox::Stream::kStderr : sandbox::Stream::kStdout;
    } else if (fields[i].IsText("o")) {
      chunk.offset = value.ToInt();
    } else if (fields[i].IsText("d")) {
      chunk.data = value.text;
    }
  }
  return chunk;
}

}  // namespace

class RedisOutput::Impl : public std::enable_shared_from_this<RedisOutput::Impl> {
 public:
  Impl(boost::asio::io_context& loop, RedisClient& client, base::Nanos lease_time)
      : client_(client), lease_ms_(std::to_string(lease_time / base::kMillisecond)), timer_(loop) {}

  void Publish(const std::string& id, job::OutputChunk chunk, bool held) {
    if (chunk.data.empty()) {
      return;
    }
    const Key key(id, chunk.run);
    std::vector<job::OutputChunk>& chunks = collected_[key];
    job::OutputChunk* last = chunks.empty() ? nullptr : &chunks.back();
    if (last != nullptr && last->stream == chunk.stream &&
        last->offset + static_cast<int64_t>(last->data.size()) == chunk.offset) {
      last->data += chunk.data;
    } else {
      chunks.push_back(std::move(chunk));
    }
    size_t bytes = 0;
    for (const job::OutputChunk& c : chunks) {
      bytes += c.data.size();
    }
    if (bytes >= kCollectBytes || !held) {
      Send(key);
    } else if (!std::exchange(timing_, true)) {
      timer_.expires_after(kCollectFor);
      timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (!error && self) {
          self->timing_ = false;
          self->SendAll();
        }
      });
    }
  }

  std::vector<std::string> Take(const std::string& id, uint64_t run) {
    const auto found = collected_.find(Key(id, run));
    if (found == collected_.end()) {
      return {};
    }
    std::vector<std::string> arguments;
    for (job::OutputChunk& chunk : found->second) {
      arguments.emplace_back(Name(chunk.stream));
      arguments.push_back(std::to_string(chunk.offset));
      arguments.push_back(std::move(chunk.data));
    }
    collected_.erase(found);
    return arguments;
  }

  job::Store::WatchHandle Watch(std::string id, job::OutputPosition from,
                                job::Store::OutputListener listener) {
    Watcher watcher;
    watcher.at = from;
    watcher.listener = std::move(listener);
    auto handle = watchers_.Add(id, std::move(watcher));
    LookFor(id, handle, [] {});
    return handle;
  }

  void Look(const std::string& id, std::function<void()> told) {
    const auto of_job = watchers_.Of(id);
    if (of_job.empty()) {
      told();
      return;
    }
    // One connection answers in order: the last answer comes after all others.
    for (size_t i = 0; i + 1 < of_job.size(); ++i) {
      LookFor(id, of_job[i], [] {});
    }
    LookFor(id, of_job.back(), std::move(told));
  }

  void LookForAll() {
    for (const std::string& id : watchers_.Ids()) {
      Look(id, [] {});
    }
  }

 private:
  using Key = std::pair<std::string, uint64_t>;  // of a job's run

  struct Watcher {
    job::OutputPosition at;
    std::string seen{kNoEntry};  // the last entry of that run
    job::Store::OutputListener listener;
  };

  void Send(const Key& key) {
    const auto& [id, run] = key;
    std::vector<std::string> arguments = {id, std::to_string(run), lease_ms_};
    for (std::string& argument : Take(id, run)) {
      arguments.push_back(std::move(argument));
    }
    // Best effort: what is lost here is in the outcome.
    client_.Run(Scripts().publish, std::move(arguments), [](const auto&) {});
  }

  void SendAll() {
    std::vector<Key> keys;
    for (const auto& [key, chunks] : collected_) {
      keys.push_back(key);
    }
    for (const Key& key : keys) {
      Send(key);
    }
  }

  void LookFor(const std::string& id, const std::weak_ptr<Watcher>& weak,
               std::function<void()> told) {
    const auto watcher = weak.lock();
    client_.Run(Scripts().output,
                {id, std::to_string(watcher ? watcher->at.run : 0),
                 watcher ? watcher->seen : std::string(kNoEntry)},
                [impl = weak_from_this(), weak, told = std::move(told)](const auto& runs) {
                  const auto self = impl.lock();
                  if (self && runs) {
                    self->Tell(*runs, weak);
                  }
                  if (!impl.expired()) {
                    told();
                  }
                });
  }

  // A listener may end the watch, or destroy the store.
  void Tell(const RedisReply& runs, const std::weak_ptr<Watcher>& weak) {
    for (const RedisReply& run : runs.items) {
      if (run.items.size() != 2) {
        continue;
      }
      const auto number = static_cast<uint64_t>(run.items[0].ToInt());
      for (const RedisReply& entry : run.items[1].items) {
        const auto watcher = weak.lock();
        const auto chunk = ReadChunk(number, entry);
        if (closed_ || !watcher) {
          return;
        }
        if (chunk) {
          TellChunk(*watcher, entry.items[0].text, *chunk);
        }
      }
    }
  }

  // Answers overlap when a look began before the last one's answer: what a watcher has is skipped.
  static void TellChunk(Watcher& watcher, const std::string& entry, job::OutputChunk chunk) {
    if (chunk.run < watcher.at.run) {
      return;
    }
    if (chunk.run > watcher.at.run) {
      watcher.at = {chunk.run, 0, 0};
    }
    watcher.seen = entry;
    int64_t& have = OffsetOf(watcher.at, chunk.stream);
    const int64_t end = chunk.offset + static_cast<int64_t>(chunk.data.size());
    if (end <= have) {
      return;
    }
    if (chunk.offset < have) {
      chunk.data.erase(0, static_cast<size_t>(have - chunk.offset));
      chunk.offset = have;
    }
    have = end;
    watcher.listener(chunk);
  }

 public:
  bool closed_ = false;

 private:
  RedisClient& client_;
  const std::string lease_ms_;
  boost::asio::steady_timer timer_;
  bool timing_ = false;
  std::map<Key, std::vector<job::OutputChunk>> collected_;
  base::Registry<Watcher> watchers_;
};

RedisOutput::RedisOutput(boost::asio::io_context& loop, RedisClient& client, base::Nanos lease_time)
    : impl_(std::make_shared<Impl>(loop, client, lease_time)) {}

RedisOutput::~RedisOutput() {
  impl_->closed_ = true;
}

void RedisOutput::Publish(const std::string& id, job::OutputChunk chunk, bool held) {
  impl_->Publish(id, std::move(chunk), held);
}

std::vector<std::string> RedisOutput::Take(const std::string& id, uint64_t run) {
  return impl_->Take(id, run);
}

job::Store::WatchHandle RedisOutput::Watch(std::string id, job::OutputPosition from,
                                           job::Store::OutputListener listener) {
  return impl_->Watch(std::move(id), from, std::move(listener));
}

void RedisOutput::Look(const std::string& id, std::function<void()> told) {
  impl_->Look(id, std::move(told));
}

void RedisOutput::LookForAll() {
  impl_->LookForAll();
}

}  // namespace store
