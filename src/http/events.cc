#include "http/events.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <charconv>
#include <chrono>
#include <unordered_map>
#include <utility>

#include "base/text.h"
#include "job/json.h"

namespace http {

namespace asio = boost::asio;
using sandbox::Stream;

namespace {

// Events that wait for the client: from here on the output stays in the store.
// As much again is being sent meanwhile, for each of what may be thousands of clients.
constexpr size_t kHighWater = size_t{8} << 10;
constexpr size_t kMaxPiece = size_t{8} << 10;  // bytes of output in one event
// Proxies and browsers take a silent connection for dead after half a minute or more.
constexpr std::chrono::seconds kHeartbeat(10);
// How long a client waits before it connects again.
constexpr std::string_view kPreamble = "retry: 1000\n\n";

// How many bytes the UTF-8 sequence has that begins with this byte; 1 when none does.
size_t SequenceLength(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  if (byte < 0xC2 || byte > 0xF4) {
    return 1;
  }
  return byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
}

// Without a last character of which the end is missing.
std::string_view WholeCharacters(std::string_view bytes) {
  for (size_t back = 1; back <= std::min<size_t>(3, bytes.size()); ++back) {
    const char c = bytes[bytes.size() - back];
    if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) {
      return bytes.substr(0, bytes.size() - (SequenceLength(c) > back ? back : 0));
    }
  }
  return bytes;
}

int64_t BytesOf(const job::Job& job) {
  size_t bytes = job.submission.code.size() + job.submission.stdin_data.size();
  if (job.result) {
    bytes += job.result->stdout_data.size() + job.result->stderr_data.size();
    if (job.result->compile) {
      bytes += job.result->compile->stdout_data.size() + job.result->compile->stderr_data.size();
    }
    for (const job::OutputFile& file : job.result->files) {
      bytes += file.content.size();
    }
  }
  return static_cast<int64_t>(bytes);
}

}  // namespace

std::string ToString(const EventId& id) {
  const job::OutputPosition& at = id.position;
  return std::to_string(at.run) + "-" + std::to_string(at.stdout_offset) + "-" +
         std::to_string(at.stderr_offset) + (id.at_end ? "-end" : "");
}

std::optional<EventId> ParseEventId(std::string_view text) {
  EventId id;
  const auto number = [&text](auto* out) {
    const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), *out);
    text.remove_prefix(static_cast<size_t>(rest - text.data()));
    return error == std::errc();
  };
  const auto dash = [&text] {
    const bool is_dash = !text.empty() && text.front() == '-';
    text.remove_prefix(is_dash ? 1 : 0);
    return is_dash && !text.empty() && text.front() != '-';
  };
  if (!number(&id.position.run) || !dash() || !number(&id.position.stdout_offset) || !dash() ||
      !number(&id.position.stderr_offset)) {
    return std::nullopt;
  }
  id.at_end = text == "-end";
  return id.at_end || text.empty() ? std::optional<EventId>(id) : std::nullopt;
}

struct EventStream::Timer {
  explicit Timer(asio::io_context& loop) : timer(loop) {}

  asio::steady_timer timer;
};

// A job that has ended and its result as the client gets it, kept once for all streams that tell
// them at the same time: those of a job with much output and many readers would not fit into
// memory.
class EventStream::Ending {
 public:
  // The one that other streams have of it, else a new one that takes `share` to pay. Null when
  // there is no room.
  static std::shared_ptr<Ending> Of(std::shared_ptr<const job::Job> job, Budget::Share* share) {
    std::weak_ptr<Ending>& known = All()[job->id];
    std::shared_ptr<Ending> ending = known.lock();
    if (ending == nullptr) {
      ending = std::make_shared<Ending>(std::move(job), std::move(*share));
      known = ending;
    }
    return ending->share_.Resize(ending->bytes_) ? ending : nullptr;
  }

  Ending(std::shared_ptr<const job::Job> job, Budget::Share share)
      : job_(std::move(job)), share_(std::move(share)), bytes_(BytesOf(*job_)) {}

  Ending(const Ending&) = delete;
  Ending& operator=(const Ending&) = delete;

  ~Ending() { All().erase(job_->id); }

  const job::Job& job() const { return *job_; }

  // Null when there is no room.
  const std::string* Json() {
    if (json_.empty()) {
      std::string json = job::ToPublicJson(*job_);
      if (!share_.Resize(bytes_ + static_cast<int64_t>(json.size()))) {
        return nullptr;
      }
      bytes_ += static_cast<int64_t>(json.size());
      json_ = std::move(json);
    }
    return &json_;
  }

 private:
  // By the ids of their jobs, which change no more.
  static std::unordered_map<std::string, std::weak_ptr<Ending>>& All() {
    static thread_local std::unordered_map<std::string, std::weak_ptr<Ending>> all;
    return all;
  }

  const std::shared_ptr<const job::Job> job_;
  Budget::Share share_;
  int64_t bytes_;
  std::string json_;
};

EventStream::EventStream(asio::io_context& loop, service::Service& service,
                         std::shared_ptr<const bool> open, std::string id, service::Caller caller,
                         job::OutputPosition from, Budget::Share share, Form form)
    : service_(service),
      open_(std::move(open)),
      id_(std::move(id)),
      caller_(std::move(caller)),
      form_(form),
      share_(std::move(share)),
      timer_(std::make_unique<Timer>(loop)),
      pending_(form == Form::kEvents ? kPreamble : ""),
      run_(from.run) {
  SideOf(Stream::kStdout).sent = from.stdout_offset;
  SideOf(Stream::kStderr).sent = from.stderr_offset;
}

EventStream::~EventStream() = default;

void EventStream::Watch() {
  changes_ = service_.Watch(id_, job::Store::Watched::kChanges, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) {
      self->Look();
    }
  });
}

void EventStream::Begin(std::shared_ptr<const job::Job> job) {
  if (form_ == Form::kEvents) {
    Heartbeat();
  }
  OnLooked(std::move(job));
}

void EventStream::End() {
  phase_ = Phase::kEnded;
  ending_.reset();
  changes_.reset();
  output_.reset();
  usage_.reset();
  timer_->timer.cancel();
  on_ready();
}

std::string EventStream::Take() {
  if (pending_.empty() && *open_) {
    Refill();
  }
  return std::exchange(pending_, {});
}

bool EventStream::ended() const {
  return phase_ == Phase::kEnded && pending_.empty();
}

void EventStream::Look() {
  if (phase_ != Phase::kLive || !*open_) {
    return;
  }
  if (std::exchange(looking_, true)) {
    again_ = true;
    return;
  }
  again_ = false;
  service_.Get(
      id_, caller_,
      [weak = weak_from_this()](std::shared_ptr<const job::Job> job, const service::Refusal&) {
        const auto self = weak.lock();
        if (!self || self->phase_ != Phase::kLive) {
          return;
        }
        if (job) {
          self->OnLooked(std::move(job));
        } else {
          self->End();  // it has expired, or the store is away: the client comes again and learns
                        // it
        }
      });
}

void EventStream::OnLooked(std::shared_ptr<const job::Job> job) {
  looking_ = false;
  if (job::IsFinal(job->status)) {
    BeginEnd(std::move(job));
    return;
  }
  TellStatus(*job);
  if (job->status == job::Status::kRunning) {
    if (job->run != run_) {
      Restart(job->run);
    }
    if (!output_ && !paused_) {
      WatchOutput();
    }
    WatchUsage();
    if (job->usage) {
      TellUsage(job->run, *job->usage);
    }
  }
  if (again_) {
    Look();
  }
}

void EventStream::BeginEnd(std::shared_ptr<const job::Job> job) {
  changes_.reset();
  output_.reset();
  usage_.reset();
  ending_ = Ending::Of(std::move(job), &share_);
  if (ending_ == nullptr) {
    End();
    return;
  }
  if (ending_->job().run != run_) {
    Restart(ending_->job().run);
  }
  const bool has_result = ending_->job().result.has_value();
  phase_ = has_result ? Phase::kRest : Phase::kDrain;
  if (!has_result && !paused_) {
    Drain();
  }
  on_ready();
}

// The program runs again: both streams begin anew.
void EventStream::Restart(uint64_t run) {
  run_ = run;
  sides_ = {};
  measured_ = 0;
  output_.reset();
}

void EventStream::WatchOutput() {
  const job::OutputPosition from{run_, SideOf(Stream::kStdout).sent, SideOf(Stream::kStderr).sent};
  for (Side& side : sides_) {
    side.held.clear();  // comes again
  }
  output_ = service_.WatchOutput(id_, from, [weak = weak_from_this()](const auto& chunk) {
    if (const auto self = weak.lock()) {
      self->OnChunk(chunk);
    }
  });
}

void EventStream::WatchUsage() {
  if (usage_) {
    return;
  }
  usage_ = service_.WatchUsage(id_, [weak = weak_from_this()](uint64_t run, const auto& usage) {
    if (const auto self = weak.lock()) {
      self->TellUsage(run, usage);
    }
  });
}

void EventStream::OnChunk(const job::OutputChunk& chunk) {
  if (chunk.run != run_) {
    output_.reset();  // until the status of that run has been told
    Look();
    return;
  }
  Side& side = SideOf(chunk.stream);
  const int64_t known = side.sent + static_cast<int64_t>(side.held.size());
  if (chunk.offset > known) {
    TellOutput(chunk.stream, "", true);
    side.lost += chunk.offset - known;
    side.sent = chunk.offset;
  }
  const std::string_view piece = std::string_view(chunk.data).substr(0, kMaxPiece);
  TellOutput(chunk.stream, piece, false);
  if (pending_.size() >= kHighWater || piece.size() < chunk.data.size()) {
    paused_ = true;
    output_.reset();
  }
  on_ready();
}

// Waits until the store has told what it still has: what was watched before the job was read comes
// before the answer.
void EventStream::Drain() {
  WatchOutput();
  const uint64_t drain = ++drains_;
  service_.Get(id_, caller_,
               [weak = weak_from_this(), drain](const std::shared_ptr<const job::Job>&,
                                                const service::Refusal&) {
                 const auto self = weak.lock();
                 const bool mine = self && self->phase_ == Phase::kDrain && self->drains_ == drain;
                 if (mine && !self->paused_) {
                   self->output_.reset();
                   for (const Stream stream : {Stream::kStdout, Stream::kStderr}) {
                     self->TellOutput(stream, "", true);
                   }
                   self->phase_ = Phase::kResult;
                   self->on_ready();
                 }
               });
}

void EventStream::Refill() {
  const bool resume = std::exchange(paused_, false);
  if (resume && phase_ == Phase::kLive && !output_) {
    WatchOutput();
  } else if (resume && phase_ == Phase::kDrain) {
    Drain();
  }
  if (phase_ == Phase::kRest) {
    TellRest();
  }
  if (phase_ == Phase::kResult && pending_.empty()) {
    TellResult();
  }
}

// The next of what the result has and the client has not.
void EventStream::TellRest() {
  for (Side& side : sides_) {
    side.held.clear();
  }
  const auto tell = [this](Stream stream, const std::string& all) {
    const auto sent = static_cast<size_t>(SideOf(stream).sent);
    if (sent >= all.size()) {
      return true;
    }
    const bool last = all.size() - sent <= kMaxPiece;
    SideOf(stream).held.clear();
    TellOutput(stream, std::string_view(all).substr(sent, kMaxPiece), last);
    return last;
  };
  const job::Result& result = *ending_->job().result;
  while (pending_.size() < kHighWater) {
    if (tell(Stream::kStdout, result.stdout_data) && tell(Stream::kStderr, result.stderr_data)) {
      phase_ = Phase::kResult;
      return;
    }
  }
}

// The next of the result's event: as much at once as of output.
void EventStream::TellResult() {
  const std::string* json = ending_->Json();
  if (json == nullptr) {
    TellEnd();
    return;
  }
  if (!told_) {
    TellStatus(ending_->job());
    if (form_ == Form::kMessages) {
      Tell("result", *json);
      TellEnd();
      return;
    }
    TellHead("result", true);
    told_ = 0;
  }
  const std::string_view next = std::string_view(*json).substr(*told_, kHighWater);
  pending_.append(next);
  *told_ += next.size();
  if (*told_ == json->size()) {
    pending_.append("\n\n");
    TellEnd();
  }
}

void EventStream::TellEnd() {
  ending_.reset();
  phase_ = Phase::kEnded;
  timer_->timer.cancel();
}

void EventStream::TellStatus(const job::Job& job) {
  std::string data = job::ToSummaryJson(job);
  if (data != status_) {
    Tell("status", data);
    status_ = std::move(data);
    on_ready();
  }
}

// What comes out of order, of another run or while the client is behind is not told: soon there is
// more. It has no id, so that a client that comes again goes on behind the event before.
void EventStream::TellUsage(uint64_t run, const sandbox::LiveUsage& usage) {
  if (phase_ == Phase::kLive && run == run_ && usage.wall_time > measured_ &&
      pending_.size() < kHighWater) {
    measured_ = usage.wall_time;
    const std::string data = job::ToUsageJson(usage);
    if (form_ == Form::kMessages) {
      Tell("usage", data);
    } else {
      pending_.append("event: usage\ndata: ").append(data).append("\n\n");
    }
    on_ready();
  }
}

// Tells whole characters, and keeps the beginning of one unless it is the last.
void EventStream::TellOutput(Stream stream, std::string_view bytes, bool last) {
  Side& side = SideOf(stream);
  const std::string all = std::exchange(side.held, {}) + std::string(bytes);
  const std::string_view whole = last ? std::string_view(all) : WholeCharacters(all);
  side.held = all.substr(whole.size());
  if (whole.empty()) {
    return;
  }
  const std::string data = job::ToOutputJson(side.sent, whole, std::exchange(side.lost, 0));
  side.sent += static_cast<int64_t>(whole.size());
  Tell(stream == Stream::kStdout ? "stdout" : "stderr", data);
}

void EventStream::Tell(std::string_view event, const std::string& data) {
  if (form_ == Form::kMessages) {
    pending_.append(job::ToSessionMessage(event, data)).append("\n");
    return;
  }
  TellHead(event, false);
  pending_.append(data).append("\n\n");
}

// An event up to its data.
void EventStream::TellHead(std::string_view event, bool at_end) {
  const EventId id{{run_, SideOf(Stream::kStdout).sent, SideOf(Stream::kStderr).sent}, at_end};
  pending_.append("event: ").append(event);
  pending_.append("\nid: ").append(ToString(id)).append("\ndata: ");
}

void EventStream::Heartbeat() {
  timer_->timer.expires_after(kHeartbeat);
  timer_->timer.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || !self || self->phase_ == Phase::kEnded) {
      return;
    }
    if (self->pending_.empty() && !self->told_) {
      self->pending_ = ":\n\n";
      self->on_ready();
    }
    self->Heartbeat();
  });
}

EventStream::Side& EventStream::SideOf(Stream stream) {
  return sides_.at(stream == Stream::kStdout ? 0 : 1);
}

}  // namespace http
