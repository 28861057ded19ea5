#include "http/session.h"

#include <algorithm>
#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/log.h"
#include "base/metrics.h"
#include "base/text.h"
#include "base/time.h"
#include "http/admit.h"
#include "http/cors.h"
#include "http/framing.h"
#include "http/gzip.h"
#include "http/interactive.h"
#include "http/problem.h"
#include "http/router.h"

namespace http {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;
using Parser = beast::http::request_parser<beast::http::string_body>;

namespace {

// A body up to this size is read even when the request is refused, so that the connection can go
// on; also the most that a route without a body reads.
constexpr uint64_t kMaxIgnoredBody = 64 << 10;
constexpr size_t kReadChunk = 4096;
constexpr size_t kWriteSlice = size_t{32} << 10;
// Bodies and answers up to this size are not charged to the budget: they are bounded by the number
// of connections, and whoever asks for little is served in any case.
constexpr size_t kUncharged = size_t{64} << 10;
// How long a refused client may go on sending before the socket is closed under it. Closing with
// unread input would reset the connection and might destroy the answer on its way.
constexpr base::Nanos kLingerTime = 2 * base::kSecond;

// True when there is room for that much in memory.
bool Hold(Budget::Share* share, size_t bytes) {
  return share->Resize(bytes > kUncharged ? static_cast<int64_t>(bytes) : 0);
}

Response NoRoom(std::string_view request_id) {
  const service::Refusal refusal{
      service::Refusal::Kind::kUnavailable,
      "too many large requests and answers are under way, try again later",
      {}};
  return Problem(refusal, request_id);
}

// Whether any web page may read it: it tells of no job, or of one whose id the page must know.
bool IsOpen(const Match& match) {
  return match.is_get && match.endpoint != Endpoint::kList;
}

// Until the answer is there; sending it is the client's time.
void CountAnswer(std::string_view route, int status, base::Nanos took) {
  static base::Counter answers("sandbox_http_requests_total", "Requests answered.",
                               {"route", "status"});
  static base::Histogram times("sandbox_http_request_seconds",
                               "Time from a request's header to its answer, waits included.",
                               {"route"}, base::TimeBounds());
  answers.Add({route, std::to_string(status)});
  times.Observe({route}, static_cast<double>(took) / static_cast<double>(base::kSecond));
}

class SessionImpl final : public Session, public std::enable_shared_from_this<SessionImpl> {
 public:
  SessionImpl(asio::io_context& loop, asio::ip::tcp::socket socket, Peer peer,
              std::shared_ptr<const SessionContext> context, std::function<void()> closed)
      : loop_(loop),
        peer_(std::move(peer)),
        context_(std::move(context)),
        closed_callback_(std::move(closed)),
        stream_(std::move(socket)),
        // A pipelining client may have sent the next requests along with this one's header.
        buffer_(static_cast<size_t>(context_->options.max_header_bytes) + (64U << 10)),
        wake_(loop, asio::steady_timer::time_point::max()) {}

  void Start() { asio::co_spawn(loop_, Run(shared_from_this()), asio::detached); }

  void Drain() override {
    if (idle_) {
      Close();
    } else if (interactive_ != nullptr) {
      interactive_->End(Interactive::Reason::kStop);
    } else if (exchange_ != nullptr) {
      CancelExchange();
    }
  }

  void Close() override {
    closed_ = true;
    stream_.close();
    if (interactive_ != nullptr) {
      interactive_->Close();
    }
    wake_.cancel();
  }

 private:
  static asio::awaitable<void> Run(std::shared_ptr<SessionImpl> self) {
    try {
      // g++ 12 does not leave a loop whose condition is "co_await a && co_await b" when a is false.
      bool open = true;
      while (open && !self->closed_) {
        open = co_await self->AwaitFirstByte();
        if (open) {
          open = co_await self->ServeOne();
        }
      }
    } catch (const std::exception& e) {
      // Memory is what can run out here; the other connections go on.
      base::Log(base::LogLevel::kError, "connection failed", {{"error", e.what()}});
    }
    self->Close();
    self->closed_callback_();
  }

  const Options& options() const { return context_->options; }

  void SetDeadline(base::Nanos timeout) {
    stream_.expires_after(std::chrono::nanoseconds(timeout));
  }

  // Waits for the next request on an idle connection. False: it is over.
  asio::awaitable<bool> AwaitFirstByte() {
    if (buffer_.size() > 0) {
      co_return true;
    }
    if (context_->stopping) {
      co_return false;
    }
    if (buffer_.capacity() > 2 * kReadChunk) {
      buffer_.shrink_to_fit();
    }
    idle_ = true;
    SetDeadline(options().read_timeout);
    error_code error;
    const size_t n = co_await stream_.async_read_some(
        buffer_.prepare(kReadChunk), asio::redirect_error(asio::use_awaitable, error));
    buffer_.commit(n);
    idle_ = false;
    co_return !error;
  }

  // Reads one request and answers it. False: the connection ends.
  asio::awaitable<bool> ServeOne() {
    Parser parser;
    parser.header_limit(static_cast<uint32_t>(options().max_header_bytes));
    parser.body_limit(static_cast<uint64_t>(options().max_body_bytes));
    SetDeadline(options().read_timeout);
    const bool folded = co_await ReadHeader();
    error_code error;
    co_await beast::http::async_read_header(stream_, buffer_, parser,
                                            asio::redirect_error(asio::use_awaitable, error));
    const std::string request_id = RequestIdOf(parser.get());
    Framing framing;
    framing.http10 = parser.get().version() == 10;
    framing.head = parser.get().method() == beast::http::verb::head;
    framing.gzip = AcceptsGzip(FieldOf(parser.get(), "Accept-Encoding"));
    framing.if_none_match = std::string(FieldOf(parser.get(), "If-None-Match"));
    if (error) {
      std::optional<Response> refusal = ParserProblem(error, request_id);
      if (refusal) {
        co_await Refuse(std::move(*refusal), framing, request_id);
      }
      co_return false;
    }
    if (const FramingError bad = CheckFraming(parser.get(), folded); bad.status != 0) {
      Response refusal = Problem(bad.status, bad.detail, request_id);
      co_await Refuse(std::move(refusal), framing, request_id);
      co_return false;
    }

    // The header counts as it is now: trailers of a chunked body must not change it.
    framing.keep_alive = parser.get().keep_alive();
    const base::Nanos began = base::MonotonicNow();
    Request request;
    request.id = request_id;
    request.caller.tenant = peer_.client;
    request.from_here = peer_.loopback && parser.get().count("X-Forwarded-For") == 0 &&
                        parser.get().count("Forwarded") == 0 && parser.get().count("Via") == 0;
    request.last_event_id = std::string(FieldOf(parser.get(), "Last-Event-ID"));
    Match match;
    std::optional<Response> refusal =
        Admit(parser.get(), options().cors, context_->handlers->access(), &request, &match);
    const std::string_view origin = FieldOf(parser.get(), "Origin");
    framing.cors = CorsFields(options().cors, origin, IsOpen(match));
    Budget::Share share(context_->budget, request.caller.tenant);

    if (!parser.is_done()) {
      const std::string_view expect = FieldOf(parser.get(), "Expect");
      const uint64_t limit = match.takes_body && !refusal
                                 ? static_cast<uint64_t>(options().max_body_bytes)
                                 : kMaxIgnoredBody;
      const auto length = parser.content_length();
      if (!expect.empty() && !base::EqualsIgnoringCase(expect, "100-continue")) {
        refusal = Problem(417, "the only expectation is 100-continue", request_id);
      } else if (!refusal && length && *length > limit) {
        refusal = Problem(413, "the body is too large", request_id);
      }
      if (refusal && (!expect.empty() || !length || *length > kMaxIgnoredBody)) {
        co_await Refuse(std::move(*refusal), framing, request_id);
        co_return false;
      }
      parser.body_limit(limit);
      if (!expect.empty() && !framing.http10 && buffer_.size() == 0) {
        constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
        co_await asio::async_write(stream_, asio::buffer(kContinue.data(), kContinue.size()),
                                   asio::redirect_error(asio::use_awaitable, error));
        if (error) {
          co_return false;
        }
      }
      parser.eager(true);
      while (!error && !parser.is_done()) {
        co_await beast::http::async_read_some(stream_, buffer_, parser,
                                              asio::redirect_error(asio::use_awaitable, error));
        if (!error && !Hold(&share, parser.get().body().size())) {
          Response full = NoRoom(request_id);
          co_await Refuse(std::move(full), framing, request_id);
          co_return false;
        }
      }
      if (error) {
        std::optional<Response> problem = ParserProblem(error, request_id);
        if (problem) {
          co_await Refuse(std::move(*problem), framing, request_id);
        }
        co_return false;
      }
    }

    if (!refusal && match.endpoint == Endpoint::kInteractive && !framing.head) {
      interactive_ = context_->handlers->Upgrade(parser.get(), request, &refusal);
      if (interactive_ && buffer_.size() > 0) {
        interactive_.reset();
        refusal = Problem(400, "a WebSocket begins with the answer to its handshake", request_id);
      }
      if (interactive_) {
        CountAnswer(match.pattern, 101, base::MonotonicNow() - began);
        co_await Leave(parser.get());
        co_return false;
      }
    }
    if (refusal) {
      response_ = std::move(refusal);
    } else {
      request.body = std::move(parser.get().body());
      Hold(&share, 0);  // the handler reads it at once
      co_await Answer(match.endpoint, std::move(request));
    }
    if (closed_ || !response_) {
      co_return false;
    }
    framing.keep_alive = framing.keep_alive && !context_->stopping && !client_gone_;
    Response response = std::move(*response_);
    response_.reset();
    if (!Hold(&share, response.body.size())) {
      response = NoRoom(request_id);
    }
    Complete(framing, &response);
    CountAnswer(match.pattern, response.status, base::MonotonicNow() - began);
    if (response.source != nullptr && !framing.head) {
      const bool written = co_await WriteStream(std::move(response), framing, request_id);
      exchange_.reset();
      co_return written&& framing.keep_alive && !framing.http10;
    }
    exchange_.reset();
    if (!framing.keep_alive) {
      co_await WriteAndClose(std::move(response), framing, request_id);
      co_return false;
    }
    co_return co_await Write(std::move(response), framing, request_id);
  }

  // Reads until the header of the next request is whole, as far as it is not too large. True when
  // it has a folded field: the parser unfolds those, while other servers take the second line for a
  // field of its own. What goes wrong here the parser meets as well, and tells.
  asio::awaitable<bool> ReadHeader() {
    error_code error;
    for (size_t searched = 0; !error;) {
      const std::string_view text(static_cast<const char*>(buffer_.data().data()), buffer_.size());
      const size_t end = text.find("\r\n\r\n", searched);
      if (end != std::string_view::npos || text.size() >= header_limit()) {
        const std::string_view header = text.substr(0, end);
        co_return header.find("\r\n ") != std::string_view::npos ||
            header.find("\r\n\t") != std::string_view::npos;
      }
      searched = text.size() - std::min<size_t>(text.size(), 3);
      const size_t n = co_await stream_.async_read_some(
          buffer_.prepare(kReadChunk), asio::redirect_error(asio::use_awaitable, error));
      buffer_.commit(n);
    }
    co_return false;
  }

  // Lets the handler work until response_ is there. While it waits for a job, the connection is
  // read ahead, so that a client that leaves is noticed.
  asio::awaitable<void> Answer(Endpoint endpoint, Request request) {
    response_.reset();
    waiting_ = false;
    exchange_ = std::make_shared<Exchange>();
    const std::weak_ptr<SessionImpl> weak = weak_from_this();
    exchange_->reply = [weak](Response response) {
      if (const auto self = weak.lock()) {
        Params& headers = self->exchange_->headers;
        std::move(headers.begin(), headers.end(), std::back_inserter(response.headers));
        self->response_ = std::move(response);
        self->wake_.cancel();
      }
    };
    exchange_->on_waiting = [weak] {
      if (const auto self = weak.lock()) {
        self->waiting_ = true;
        self->wake_.cancel();
      }
    };
    exchange_->cancelled = context_->stopping;
    context_->handlers->Handle(endpoint, std::move(request), exchange_);
    while (!response_ && !closed_) {
      if (waiting_) {
        BeginReadAhead();
      }
      co_await Wakened();
    }
    co_await EndReadAhead();
  }

  // Waits until whoever has taken the connection over is done with it.
  asio::awaitable<void> Leave(const Header& header) {
    const auto left = std::make_shared<bool>(false);
    error_code error;
    const bool ipv6 = stream_.socket().local_endpoint(error).address().is_v6();
    base::UniqueFd socket(stream_.socket().release(error));
    if (error) {
      co_return;
    }
    interactive_->Start(std::move(socket), ipv6, header, [weak = weak_from_this(), left] {
      *left = true;
      if (const auto self = weak.lock()) {
        self->wake_.cancel();
      }
    });
    while (!*left) {
      co_await Wakened();
    }
  }

  void BeginReadAhead() {
    if (!reading_ahead_ && !client_gone_ && !read_ahead_full()) {
      reading_ahead_ = true;
      stop_reading_ahead_ = false;
      asio::co_spawn(loop_, ReadAhead(shared_from_this()), asio::detached);
    }
  }

  asio::awaitable<void> EndReadAhead() {
    stop_reading_ahead_ = true;
    while (reading_ahead_) {
      error_code ignored;
      stream_.socket().cancel(ignored);
      co_await Wakened();
    }
  }

  asio::awaitable<void> Wakened() {
    error_code ignored;  // always operation_aborted: the timer is only ever cancelled
    co_await wake_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }

  size_t header_limit() const { return static_cast<size_t>(options().max_header_bytes); }

  bool read_ahead_full() const { return buffer_.size() >= header_limit(); }

  // What comes is the next request's, so it is kept; at the end of input the wait is cut short.
  static asio::awaitable<void> ReadAhead(std::shared_ptr<SessionImpl> self) {
    error_code error;
    while (!error && !self->stop_reading_ahead_ && !self->read_ahead_full()) {
      const size_t n = co_await self->stream_.socket().async_read_some(
          self->buffer_.prepare(kReadChunk), asio::redirect_error(asio::use_awaitable, error));
      self->buffer_.commit(n);
    }
    if (error && error != asio::error::operation_aborted) {
      self->client_gone_ = true;
      self->CancelExchange();
    }
    self->reading_ahead_ = false;
    self->wake_.cancel();
  }

  void CancelExchange() {
    const std::shared_ptr<Exchange> exchange = exchange_;
    if (exchange != nullptr && !exchange->cancelled) {
      exchange->cancelled = true;
      const std::function<void()> cancel = exchange->cancel;
      cancel();
    }
  }

  asio::awaitable<bool> Write(Response response, Framing framing, std::string request_id) {
    const std::string header = ResponseHeader(response, framing, request_id);
    const std::array<asio::const_buffer, 2> buffers{
        asio::buffer(header), framing.head ? asio::const_buffer() : asio::buffer(response.body)};
    SetDeadline(options().write_timeout);
    error_code error;
    co_await asio::async_write(stream_, buffers, asio::redirect_error(asio::use_awaitable, error));
    co_return !error;
  }

  // Sends what the source makes until it ends. Each kWriteSlice has write_timeout: a client that
  // takes nothing for that long is let go, one that is merely slow is not.
  asio::awaitable<bool> WriteStream(Response response, Framing framing, std::string request_id) {
    const std::shared_ptr<BodySource> source = response.source;
    source->on_ready = [weak = weak_from_this()] {
      if (const auto self = weak.lock()) {
        self->wake_.cancel();
      }
    };
    std::string out = ResponseHeader(response, framing, request_id);
    bool written = true;
    while (written && !closed_ && !client_gone_) {
      if (out.empty()) {
        out = source->Take();
        if (!out.empty() && !framing.http10) {
          out = Chunk(out);
        }
      }
      if (!out.empty()) {
        std::string piece = std::move(out);
        out.clear();
        written = co_await WriteAll(std::move(piece));
      } else if (source->ended()) {
        break;
      } else {
        BeginReadAhead();
        co_await Wakened();
      }
    }
    source->on_ready = [] {};
    co_await EndReadAhead();
    if (written && source->ended() && !framing.http10 && !closed_ && !client_gone_) {
      co_return co_await WriteAll(std::string(kLastChunk));
    }
    co_return false;
  }

  asio::awaitable<bool> WriteAll(std::string data) {
    error_code error;
    for (size_t begin = 0; begin < data.size() && !error; begin += kWriteSlice) {
      SetDeadline(options().write_timeout);
      const asio::const_buffer slice(data.data() + begin,
                                     std::min(kWriteSlice, data.size() - begin));
      co_await asio::async_write(stream_, slice, asio::redirect_error(asio::use_awaitable, error));
    }
    co_return !error;
  }

  // Refuses what has not been read to its end.
  asio::awaitable<void> Refuse(Response response, Framing framing, std::string request_id) {
    Complete(framing, &response);
    CountAnswer("other", response.status, 0);
    co_await WriteAndClose(std::move(response), std::move(framing), std::move(request_id));
  }

  asio::awaitable<void> WriteAndClose(Response response, Framing framing, std::string request_id) {
    framing.keep_alive = false;
    const bool written = co_await Write(std::move(response), framing, std::move(request_id));
    if (!written || client_gone_) {
      co_return;
    }
    error_code error;
    stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, error);
    idle_ = true;
    SetDeadline(std::min(options().read_timeout, kLingerTime));
    while (!error && !closed_ && !context_->stopping) {
      buffer_.clear();
      co_await stream_.async_read_some(buffer_.prepare(kReadChunk),
                                       asio::redirect_error(asio::use_awaitable, error));
    }
  }

  asio::io_context& loop_;
  const Peer peer_;
  const std::shared_ptr<const SessionContext> context_;
  const std::function<void()> closed_callback_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  asio::steady_timer wake_;  // never expires: cancelling it wakes the coroutine
  std::shared_ptr<Exchange> exchange_;
  std::shared_ptr<Interactive> interactive_;  // has the connection from then on
  std::optional<Response> response_;
  bool idle_ = false;  // nothing is under way: a drain may close
  bool waiting_ = false;
  bool reading_ahead_ = false;
  bool stop_reading_ahead_ = false;
  bool client_gone_ = false;
  bool closed_ = false;
};

}  // namespace

std::shared_ptr<Session> StartSession(asio::io_context& loop, base::UniqueFd fd, bool ipv6,
                                      Peer peer, std::shared_ptr<const SessionContext> context,
                                      std::function<void()> closed) {
  asio::ip::tcp::socket socket(loop);
  error_code error;
  socket.assign(ipv6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4(), fd.get(), error);
  if (error) {
    return nullptr;
  }
  fd.release();
  socket.set_option(asio::ip::tcp::no_delay(true), error);  // at worst slower
  auto session = std::make_shared<SessionImpl>(loop, std::move(socket), std::move(peer),
                                               std::move(context), std::move(closed));
  session->Start();
  return session;
}

}  // namespace http
