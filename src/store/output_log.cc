#include "store/output_log.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/registry.h"

namespace store {
namespace {

// Small writes are put together up to this size, so that a replay is a few large pieces, and large
// ones are cut, so that those who take little at once are handed little.
constexpr size_t kPieceBytes = size_t{8} << 10;

int64_t& OffsetOf(job::OutputPosition& position, sandbox::Stream stream) {
  return stream == sandbox::Stream::kStdout ? position.stdout_offset : position.stderr_offset;
}

int64_t EndOf(const job::OutputChunk& chunk) {
  return chunk.offset + static_cast<int64_t>(chunk.data.size());
}

// What one lease of a job has written so far.
struct Run {
  uint64_t run = 0;
  std::vector<job::OutputChunk> pieces;  // in the order in which they were written
  job::OutputPosition end;
  std::optional<sandbox::LiveUsage> usage;  // the latest
  base::Nanos ended_at = 0;                 // 0: not yet
};

struct Watcher {
  job::OutputPosition at;
  size_t next = 0;  // the first piece of the run that may hold something new
  job::Store::OutputListener listener;
};

// Moves the watcher over what it has; the piece that follows, if there is one.
std::optional<job::OutputChunk> NextFor(Watcher& watcher, const Run& run) {
  if (run.run < watcher.at.run) {
    return std::nullopt;
  }
  if (run.run > watcher.at.run) {
    watcher.at = {run.run, 0, 0};
    watcher.next = 0;
  }
  for (; watcher.next < run.pieces.size(); ++watcher.next) {
    const job::OutputChunk& piece = run.pieces[watcher.next];
    int64_t& have = OffsetOf(watcher.at, piece.stream);
    if (EndOf(piece) > have) {
      const int64_t known = std::max<int64_t>(0, have - piece.offset);
      have = EndOf(piece);
      return job::OutputChunk{piece.run, piece.stream, piece.offset + known,
                              piece.data.substr(static_cast<size_t>(known))};
    }
    if (watcher.next + 1 == run.pieces.size()) {
      break;  // the last piece may still grow
    }
  }
  return std::nullopt;
}

}  // namespace

struct OutputLog::State {
  // Tells everyone who is behind what is new. A listener may destroy the log.
  void Deliver() {
    posted = false;
    const auto ids = std::exchange(behind, {});
    for (const std::string& id : ids) {
      for (const std::weak_ptr<Watcher>& weak : watchers.Of(id)) {
        DeliverTo(id, weak);
      }
    }
  }

  void DeliverTo(const std::string& id, const std::weak_ptr<Watcher>& weak) {
    while (!closed) {
      const std::shared_ptr<Watcher> watcher = weak.lock();
      const auto found = runs.find(id);
      if (!watcher || found == runs.end()) {
        return;
      }
      const std::optional<job::OutputChunk> chunk = NextFor(*watcher, found->second);
      if (!chunk) {
        return;
      }
      watcher->listener(*chunk);
    }
  }

  // The run of that number, while its lease lasts.
  Run* FindLive(const std::string& id, uint64_t number) {
    const auto found = runs.find(id);
    const bool live =
        found != runs.end() && found->second.run == number && found->second.ended_at == 0;
    return live ? &found->second : nullptr;
  }

  // A listener may destroy the log.
  void TellUsage(const std::string& id, uint64_t number, const sandbox::LiveUsage& usage) {
    for (const std::weak_ptr<job::Store::UsageListener>& weak : usage_watchers.Of(id)) {
      const auto listener = weak.lock();
      if (closed || FindLive(id, number) == nullptr) {
        return;
      }
      if (listener) {
        (*listener)(number, usage);
      }
    }
  }

  Post post;
  Clock clock;
  std::unordered_map<std::string, Run> runs;
  std::unordered_set<std::string> ended;  // those of them whose lease has ended
  base::Registry<Watcher> watchers;
  base::Registry<job::Store::UsageListener> usage_watchers;
  std::unordered_set<std::string> behind;  // jobs with something to deliver
  bool posted = false;                     // Deliver comes
  bool closed = false;
};

OutputLog::OutputLog(Post post, Clock clock) : state_(std::make_shared<State>()) {
  state_->post = std::move(post);
  state_->clock = std::move(clock);
}

OutputLog::~OutputLog() {
  state_->closed = true;
}

void OutputLog::Begin(const std::string& id, uint64_t run) {
  Run& entry = state_->runs[id];
  entry = Run{};
  entry.run = run;
  state_->ended.erase(id);
}

void OutputLog::End(const std::string& id) {
  const auto found = state_->runs.find(id);
  if (found != state_->runs.end() && state_->ended.insert(id).second) {
    found->second.ended_at = state_->clock();
  }
}

void OutputLog::Follow(const Events& events) {
  for (const auto& [id, token] : events.leases) {
    if (token != 0) {
      Begin(id, token);
    } else {
      End(id);
    }
  }
}

void OutputLog::Publish(const std::string& id, job::OutputChunk chunk) {
  const auto found = state_->runs.find(id);
  if (found == state_->runs.end() || found->second.run != chunk.run || chunk.data.empty() ||
      state_->ended.count(id) > 0) {
    return;
  }
  Run& run = found->second;
  int64_t& end = OffsetOf(run.end, chunk.stream);
  if (chunk.offset < end) {
    return;  // a worker tells each byte once
  }
  end = EndOf(chunk);
  std::string_view rest = chunk.data;
  job::OutputChunk* last = run.pieces.empty() ? nullptr : &run.pieces.back();
  if (last != nullptr && last->stream == chunk.stream && EndOf(*last) == chunk.offset &&
      last->data.size() < kPieceBytes) {
    const std::string_view more = rest.substr(0, kPieceBytes - last->data.size());
    last->data += more;
    rest.remove_prefix(more.size());
  }
  while (!rest.empty()) {
    const std::string_view piece = rest.substr(0, kPieceBytes);
    run.pieces.push_back(
        {chunk.run, chunk.stream, end - static_cast<int64_t>(rest.size()), std::string(piece)});
    rest.remove_prefix(piece.size());
  }
  if (state_->watchers.Has(id)) {
    MarkBehind(id);
  }
}

void OutputLog::MarkBehind(const std::string& id) {
  state_->behind.insert(id);
  if (!std::exchange(state_->posted, true)) {
    state_->post([state = std::weak_ptr<State>(state_)] {
      if (const auto alive = state.lock()) {
        alive->Deliver();
      }
    });
  }
}

job::Store::WatchHandle OutputLog::Watch(std::string id, job::OutputPosition from,
                                         job::Store::OutputListener listener) {
  MarkBehind(id);
  return state_->watchers.Add(std::move(id), Watcher{from, 0, std::move(listener)});
}

void OutputLog::PublishUsage(const std::string& id, uint64_t run, const sandbox::LiveUsage& usage) {
  Run* const live = state_->FindLive(id, run);
  if (live == nullptr) {
    return;
  }
  live->usage = usage;
  if (state_->usage_watchers.Has(id)) {
    state_->post([state = std::weak_ptr<State>(state_), id, run, usage] {
      if (const auto alive = state.lock()) {
        alive->TellUsage(id, run, usage);
      }
    });
  }
}

job::Store::WatchHandle OutputLog::WatchUsage(std::string id, job::Store::UsageListener listener) {
  return state_->usage_watchers.Add(std::move(id), std::move(listener));
}

void OutputLog::AddUsage(job::Job* job) const {
  if (job->status != job::Status::kRunning) {
    return;
  }
  if (const Run* live = state_->FindLive(job->id, job->run)) {
    job->usage = live->usage;
  }
}

void OutputLog::Deliver() {
  const std::shared_ptr<State> state = state_;
  state->Deliver();
}

void OutputLog::Sweep() {
  const base::Nanos until = state_->clock() - job::kOutputRetention;
  for (auto it = state_->ended.begin(); it != state_->ended.end();) {
    const auto run = state_->runs.find(*it);
    if (run->second.ended_at > until) {
      ++it;
      continue;
    }
    state_->runs.erase(run);
    it = state_->ended.erase(it);
  }
}

}  // namespace store
