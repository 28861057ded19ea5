#include "http/interactive.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <chrono>
#include <deque>
#include <exception>
#include <optional>
#include <string_view>
#include <utility>

#include "base/log.h"
#include "http/events.h"
#include "http/problem.h"
#include "job/json.h"

namespace http {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = boost::beast::websocket;
using boost::system::error_code;

namespace {

constexpr size_t kReadChunk = size_t{16} << 10;
constexpr size_t kSlice = size_t{32} << 10;       // of a message, sent at once
constexpr size_t kMaxMessage = size_t{64} << 10;  // of the client's, after the first
constexpr size_t kMaxInput = size_t{256} << 10;   // kept for a program that does not read
constexpr size_t kUncharged = size_t{64} << 10;   // as for other requests
constexpr char kEndOfInput = 4;                   // ^D, as every new terminal has it
constexpr base::Nanos kTick = base::kSecond;
constexpr base::Nanos kPingAfter = 10 * base::kSecond;  // of silence
constexpr base::Nanos kGoneAfter = 30 * base::kSecond;  // likewise
constexpr int kMaxControls = 100;                       // pings and pongs in a tick
constexpr std::chrono::milliseconds kSignalPause(20);   // each costs a message to the launcher

class Conversation final : public Interactive, public std::enable_shared_from_this<Conversation> {
 public:
  Conversation(asio::io_context& loop, Options options, service::Service& service,
               std::shared_ptr<const bool> open, Host host, const Budget& budget, Client client);

  void Start(base::UniqueFd socket, bool ipv6, const Header& header,
             std::function<void()> closed) override;
  void End(Reason reason) override;
  void Close() override;

 private:
  using Upgrade = beast::http::request<beast::http::empty_body>;
  using Code = beast::websocket::close_code;
  using Stream = beast::websocket::stream<beast::tcp_stream, false>;

  asio::awaitable<void> Serve(beast::tcp_stream stream, Upgrade request);
  asio::awaitable<bool> ReadMessage(size_t limit);
  asio::awaitable<bool> BeginJob();
  asio::awaitable<void> ReadMessages();
  asio::awaitable<bool> OnText();
  asio::awaitable<void> Write();
  asio::awaitable<bool> WriteMessage(std::string_view text);
  asio::awaitable<void> ReaderWoken();
  asio::awaitable<void> WriterWoken();
  void TakeInput(std::string data);
  void Feed();
  void Follow();
  void Fail(const service::Refusal& refusal, Code code);
  void Fail(int status, std::string_view detail, Code code);
  void Fail(const Response& problem, std::string_view reason, Code code);
  void Tick();
  void Look(base::Nanos now);
  void Ping(base::Nanos now);

  asio::io_context& loop_;
  const Options options_;
  service::Service& service_;
  const std::shared_ptr<const bool> open_;
  const Host host_;
  const Budget budget_;
  const Client client_;
  Budget::Share share_;  // of the message that is being read
  std::optional<Stream> stream_;
  asio::steady_timer tick_;
  asio::steady_timer reader_;  // never expires: cancelling it wakes the reader
  asio::steady_timer writer_;  // likewise
  beast::flat_buffer message_;

  std::string id_;  // of the job
  std::shared_ptr<job::Session> session_;
  std::shared_ptr<EventStream> events_;
  std::deque<std::string> input_;  // that the program has not taken
  size_t input_bytes_ = 0;
  bool feeding_ = false;
  bool input_ends_ = false;

  std::string failure_;  // the last message, should it come to that
  Code code_ = Code::normal;
  std::string reason_;
  bool failed_ = false;
  bool writing_ = false;  // the writer has not returned
  bool closed_ = false;   // nothing is said any more

  // Monotonic; 0: does not apply at the moment.
  base::Nanos first_until_ = 0;  // the first message must be there
  base::Nanos write_began_ = 0;  // of a slice
  base::Nanos heard_at_ = 0;     // anything at all from the client
  base::Nanos active_at_ = 0;    // a message of either side
  base::Nanos pinged_at_ = 0;
  bool pinging_ = false;
  bool blocked_ = false;  // the client is not listened to: the program takes no input
  int controls_ = 0;      // frames since the last tick
};

Conversation::Conversation(asio::io_context& loop, Options options, service::Service& service,
                           std::shared_ptr<const bool> open, Host host, const Budget& budget,
                           Client client)
    : loop_(loop),
      options_(options),
      service_(service),
      open_(std::move(open)),
      host_(std::move(host)),
      budget_(budget),
      client_(std::move(client)),
      share_(budget_, client_.caller.tenant),
      tick_(loop),
      reader_(loop, asio::steady_timer::time_point::max()),
      writer_(loop, asio::steady_timer::time_point::max()) {}

void Conversation::Start(base::UniqueFd socket, bool ipv6, const Header& header,
                         std::function<void()> closed) {
  asio::ip::tcp::socket connected(loop_);
  error_code error;
  connected.assign(ipv6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4(), socket.get(), error);
  if (error) {
    asio::post(loop_, std::move(closed));
    return;
  }
  socket.release();
  const auto served = [self = shared_from_this(),
                       closed = std::move(closed)](const std::exception_ptr& failure) {
    if (failure) {
      base::Log(base::LogLevel::kError, "an interactive connection failed");
    }
    self->session_.reset();
    self->Close();
    closed();
  };
  asio::co_spawn(loop_, Serve(beast::tcp_stream(std::move(connected)), Upgrade(Header(header))),
                 served);
}

asio::awaitable<void> Conversation::Serve(beast::tcp_stream stream, Upgrade request) {
  const std::shared_ptr<Conversation> self = shared_from_this();
  stream.expires_never();
  // A client that is gone without a word is noticed even while it is not listened to.
  const unsigned int gone_ms = static_cast<unsigned int>(kGoneAfter / base::kMillisecond);
  ::setsockopt(stream.socket().native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &gone_ms,
               sizeof(gone_ms));
  stream_.emplace(std::move(stream));
  websocket::stream_base::timeout timeouts{};
  timeouts.handshake_timeout = std::chrono::nanoseconds(options_.read_timeout);  // and the close
  timeouts.idle_timeout = websocket::stream_base::none();                        // Look does it
  timeouts.keep_alive_pings = false;
  stream_->set_option(timeouts);
  stream_->set_option(websocket::stream_base::decorator(
      [id = client_.request_id](websocket::response_type& response) {
        response.set("X-Request-Id", id);
      }));
  stream_->text(true);
  stream_->control_callback([weak = weak_from_this()](websocket::frame_type, beast::string_view) {
    if (const auto locked = weak.lock()) {
      locked->heard_at_ = base::MonotonicNow();
      ++locked->controls_;
    }
  });
  error_code error;
  co_await stream_->async_accept(request, asio::redirect_error(asio::use_awaitable, error));
  if (error || closed_) {
    co_return;
  }
  request = {};
  heard_at_ = active_at_ = base::MonotonicNow();
  first_until_ = heard_at_ + options_.read_timeout;
  Tick();
  writing_ = true;
  const auto written = [self](const std::exception_ptr& failure) {
    if (failure) {
      base::Log(base::LogLevel::kError, "an interactive connection failed");
    }
    self->Close();
    self->writing_ = false;
    self->reader_.cancel();
  };
  asio::co_spawn(loop_, Write(), written);
  const bool begun = co_await BeginJob();
  if (begun) {
    co_await ReadMessages();
  }
  session_.reset();               // ends the job, unless it has ended
  closed_ = closed_ || !failed_;  // else there is one more thing to say
  writer_.cancel();
  while (writing_) {
    co_await ReaderWoken();
  }
  tick_.cancel();
  Close();
}

void Conversation::End(Reason reason) {
  if (reason == Reason::kRevoked) {
    Fail(401, "the key has been revoked", Code::policy_error);
  } else {
    Fail(503, "the service stops", Code::going_away);
  }
}

void Conversation::Close() {
  closed_ = true;
  if (stream_) {
    stream_->next_layer().close();
  }
  reader_.cancel();
  writer_.cancel();
}

// False when there will be no message any more. It is in message_ else.
asio::awaitable<bool> Conversation::ReadMessage(size_t limit) {
  message_.clear();
  message_.shrink_to_fit();
  stream_->read_message_max(limit);
  error_code error;
  do {
    co_await stream_->async_read_some(message_, kReadChunk,
                                      asio::redirect_error(asio::use_awaitable, error));
    heard_at_ = base::MonotonicNow();
    if (error || failed_ || closed_) {
      co_return false;
    }
    if (!share_.Resize(message_.size() > kUncharged ? static_cast<int64_t>(message_.size()) : 0)) {
      Fail(503, "too many large requests and answers are under way, try again later",
           Code::policy_error);
      co_return false;
    }
  } while (!stream_->is_message_done());
  active_at_ = heard_at_;
  co_return true;
}

asio::awaitable<bool> Conversation::BeginJob() {
  const bool read = co_await ReadMessage(options_.max_first_message);
  first_until_ = 0;
  if (!read || !*open_) {
    co_return false;
  }
  if (!stream_->got_text()) {
    Fail(400, "the first message must be a submission, as text", Code::unknown_data);
    co_return false;
  }
  const std::string_view text(static_cast<const char*>(message_.data().data()), message_.size());
  bool answered = false;
  service_.Begin(
      text, client_.caller, host_,
      [self = shared_from_this(), &answered](std::optional<service::Service::Begun> begun,
                                             const service::Refusal& refusal) {
        answered = true;
        if (begun) {
          self->id_ = begun->id;
          self->session_ = std::move(begun->session);
        } else {
          self->Fail(refusal, Code::policy_error);
        }
        self->reader_.cancel();
      });
  message_.clear();
  message_.shrink_to_fit();
  share_.Resize(0);
  while (!answered) {
    co_await ReaderWoken();
  }
  if (!session_ || closed_) {
    co_return false;
  }
  Follow();
  co_return true;
}

// Tells the job's events from here on.
void Conversation::Follow() {
  if (!*open_) {
    return;
  }
  events_ = std::make_shared<EventStream>(
      loop_, service_, open_, id_, client_.caller, job::OutputPosition{},
      Budget::Share(budget_, client_.caller.tenant), EventStream::Form::kMessages);
  events_->on_ready = [weak = weak_from_this()] {
    if (const auto self = weak.lock()) {
      self->writer_.cancel();
    }
  };
  events_->Watch();
  service_.Get(id_, client_.caller,
               [self = shared_from_this()](std::shared_ptr<const job::Job> job,
                                           const service::Refusal& refusal) {
                 if (job) {
                   self->events_->Begin(std::move(job));
                 } else {
                   self->Fail(refusal, Code::policy_error);
                 }
               });
}

asio::awaitable<void> Conversation::ReadMessages() {
  bool open = true;
  while (open) {
    while (input_bytes_ >= kMaxInput && !failed_ && !closed_) {
      blocked_ = true;
      co_await ReaderWoken();
    }
    heard_at_ = blocked_ ? base::MonotonicNow() : heard_at_;
    blocked_ = false;
    open = co_await ReadMessage(kMaxMessage);
    if (open && stream_->got_text()) {
      open = co_await OnText();
    } else if (open) {
      TakeInput({static_cast<const char*>(message_.data().data()), message_.size()});
    }
  }
}

asio::awaitable<bool> Conversation::OnText() {
  const std::string_view text(static_cast<const char*>(message_.data().data()), message_.size());
  job::ClientMessage message;
  job::ParseError wrong;
  if (!job::ParseClientMessage(text, &message, &wrong)) {
    const auto kind =
        wrong.malformed ? service::Refusal::Kind::kMalformed : service::Refusal::Kind::kInvalid;
    Fail({kind, wrong.malformed ? wrong.errors[0].message : "the message is not valid",
          wrong.malformed ? std::vector<job::FieldError>() : std::move(wrong.errors)},
         Code::policy_error);
    co_return false;
  }
  switch (message.type) {
    case job::ClientMessage::Type::kStdin:
      TakeInput(std::move(message.data));
      break;
    case job::ClientMessage::Type::kEof:
      if (session_->terminal()) {
        TakeInput(std::string(1, kEndOfInput));  // of what reads now: others may read on
      } else {
        input_ends_ = true;
        Feed();
      }
      break;
    case job::ClientMessage::Type::kResize:
      if (!session_->terminal()) {
        Fail({service::Refusal::Kind::kInvalid,
              "the message is not valid",
              {{"type", "resize goes with a submission that has terminal only"}}},
             Code::policy_error);
        co_return false;
      }
      session_->Resize(message.size);
      break;
    case job::ClientMessage::Type::kSignal:
      session_->Signal(message.signal);
      asio::steady_timer pause(loop_, kSignalPause);
      error_code ignored;
      co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      break;
  }
  co_return true;
}

// What comes after the end of the input is nobody's.
void Conversation::TakeInput(std::string data) {
  if (!data.empty() && !input_ends_) {
    input_bytes_ += data.size();
    input_.push_back(std::move(data));
    Feed();
  }
}

void Conversation::Feed() {
  if (feeding_ || !session_) {
    return;
  }
  if (input_.empty()) {
    if (input_ends_) {
      session_->CloseInput();
    }
    return;
  }
  feeding_ = true;
  const size_t bytes = input_.front().size();
  session_->Write(std::move(input_.front()), [weak = weak_from_this(), bytes] {
    if (const auto self = weak.lock()) {
      self->feeding_ = false;
      self->input_bytes_ -= bytes;
      self->reader_.cancel();
      self->Feed();
    }
  });
  input_.pop_front();
}

// The only one that writes messages; ends with the connection's close.
asio::awaitable<void> Conversation::Write() {
  bool told = false;  // the result
  bool open = true;
  std::string lines;
  while (open && !failed_ && !closed_ && !(events_ && events_->ended())) {
    lines = events_ ? events_->Take() : std::string();
    if (lines.empty()) {
      if (!(events_ && events_->ended())) {
        co_await WriterWoken();
      }
      continue;
    }
    for (size_t begin = 0; open && begin < lines.size() && !closed_;) {
      const size_t end = lines.find('\n', begin);
      const std::string_view line = std::string_view(lines).substr(begin, end - begin);
      told = line.starts_with(R"({"type":"result")");
      if (!line.starts_with(R"({"type":"usage")")) {  // which the program does not say
        active_at_ = base::MonotonicNow();
      }
      open = co_await WriteMessage(line);
      begin = end + 1;
    }
  }
  if (open && !closed_ && failed_) {
    lines = failure_;
    open = co_await WriteMessage(lines);
  } else if (!told) {
    code_ = Code::policy_error;
    reason_ = "the result is at /v1/execute/" + id_;
  }
  if (open && !closed_) {
    closed_ = true;
    websocket::close_reason reason(code_);
    reason.reason = reason_.substr(0, reason.reason.max_size());
    error_code ignored;
    co_await stream_->async_close(reason, asio::redirect_error(asio::use_awaitable, ignored));
  }
}

// Each kSlice has write_timeout: a client that takes nothing for that long is let go, one that is
// merely slow is not.
asio::awaitable<bool> Conversation::WriteMessage(std::string_view text) {
  error_code error;
  do {
    const std::string_view slice = text.substr(0, kSlice);
    text.remove_prefix(slice.size());
    write_began_ = base::MonotonicNow();
    co_await stream_->async_write_some(text.empty(), asio::buffer(slice.data(), slice.size()),
                                       asio::redirect_error(asio::use_awaitable, error));
  } while (!error && !text.empty() && !closed_);
  write_began_ = 0;
  co_return !error;
}

asio::awaitable<void> Conversation::ReaderWoken() {
  error_code ignored;  // always operation_aborted: the timer is only ever cancelled
  co_await reader_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

asio::awaitable<void> Conversation::WriterWoken() {
  error_code ignored;
  co_await writer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

void Conversation::Fail(const service::Refusal& refusal, Code code) {
  Fail(Problem(refusal, client_.request_id), refusal.detail, code);
}

void Conversation::Fail(int status, std::string_view detail, Code code) {
  Fail(Problem(status, detail, client_.request_id), detail, code);
}

// The first failure counts; the writer tells it and closes.
void Conversation::Fail(const Response& problem, std::string_view reason, Code code) {
  if (failed_ || closed_) {
    return;
  }
  failed_ = true;
  failure_ = job::ToSessionMessage("error", problem.body);
  code_ = code;
  reason_ = reason;
  reader_.cancel();
  writer_.cancel();
}

void Conversation::Tick() {
  tick_.expires_after(std::chrono::nanoseconds(kTick));
  tick_.async_wait([weak = weak_from_this()](const error_code& error) {
    const auto self = weak.lock();
    if (!error && self) {
      self->Look(base::MonotonicNow());
      self->Tick();
    }
  });
}

// All deadlines but that of the close.
void Conversation::Look(base::Nanos now) {
  const bool stalled = write_began_ != 0 && now - write_began_ > options_.write_timeout;
  const bool gone = !blocked_ && now - heard_at_ > kGoneAfter;
  if (stalled || gone) {
    return Close();
  }
  if (first_until_ != 0 && now > first_until_) {
    Fail(408, "the first message, the submission, has not come in time", Code::policy_error);
  } else if (std::exchange(controls_, 0) > kMaxControls) {
    Fail(429, "too many pings", Code::policy_error);
  } else if (now - active_at_ > options_.idle_timeout) {
    Fail(408, "neither side has said anything for " + base::FormatDuration(options_.idle_timeout),
         Code::policy_error);
  } else if (now - std::max(heard_at_, pinged_at_) > kPingAfter) {
    Ping(now);
  }
}

void Conversation::Ping(base::Nanos now) {
  if (pinging_ || closed_ || failed_) {
    return;
  }
  pinged_at_ = now;
  pinging_ = true;
  stream_->async_ping({},
                      [self = shared_from_this()](const error_code&) { self->pinging_ = false; });
}

}  // namespace

Lobby::Lobby(int seats) : books_(std::make_shared<Books>()) {
  books_->seats = seats;
}

int Lobby::taken() const {
  return books_->taken;
}

Lobby::Seat Lobby::Take(const std::string& client, bool* full) {
  *full = books_->taken >= books_->seats;
  const auto has = books_->by_client.find(client);
  if (*full ||
      (has != books_->by_client.end() && has->second >= books_->seats - books_->seats / 4)) {
    return nullptr;
  }
  ++books_->taken;
  ++books_->by_client[client];
  return {books_.get(), [books = books_, client](void*) {
            --books->taken;
            if (const auto mine = books->by_client.find(client); --mine->second == 0) {
              books->by_client.erase(mine);
            }
          }};
}

std::shared_ptr<Interactive> Interactive::Make(asio::io_context& loop, Options options,
                                               service::Service& service,
                                               std::shared_ptr<const bool> open, Host host,
                                               const Budget& budget, Client client) {
  return std::make_shared<Conversation>(loop, options, service, std::move(open), std::move(host),
                                        budget, std::move(client));
}

}  // namespace http
