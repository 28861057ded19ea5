// The load client of `./dev bench` where one in Python would be what is measured: one thread, one
// epoll loop, HTTP/1.1 over IPv4's loopback address.
//
//   load closed   so many kept-alive connections, each with one request after another, for a time
//   load burst    so many requests, each on a connection of its own: all at once, with a gap
//                 between their starts, or one after another
//   load waits    reads paths from stdin, asks for each on a connection of its own, says "ready",
//                 and measures from the "finished_at" of each answer to its arrival
//   load streams  reads one path so often at once, says "ready" when each has something, and counts
//                 the bytes until all have ended
//
// Prints one line of JSON. Ends at once when it may not have so many descriptors.

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr int64_t kSecond = 1'000'000'000;

int64_t Now(clockid_t clock = CLOCK_MONOTONIC) {
  timespec ts{};
  ::clock_gettime(clock, &ts);
  return ts.tv_sec * kSecond + ts.tv_nsec;
}

int64_t Nanos(double seconds) {
  return static_cast<int64_t>(seconds * 1e9);
}

double Seconds(int64_t nanos) {
  return static_cast<double>(nanos) / 1e9;
}

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::exit(1);  // NOLINT(concurrency-mt-unsafe): a program of one thread
}

struct Options {
  std::string mode;
  uint16_t port = 0;
  size_t connections = 1;
  double seconds = 1;
  double gap = 0;  // seconds between the starts of a burst's requests; below 0: one after another
  std::string request = "GET /health";
  std::string body;  // "{n}" stands for a number that no other request has
  int status = 200;
  std::string expect;  // what a good answer's body contains
  double deadline = 120;
};

// One HTTP/1.1 connection and the one request that is under way on it.
struct Connection {
  int fd = -1;
  bool sent_all = false;
  int64_t started = 0;
  std::string out;
  size_t sent = 0;
  std::string in;
  size_t received = 0;
  bool has_result = false;  // of an event stream
};

struct Answer {
  int status = 0;
  std::string_view body;
};

// True when `in` holds a whole answer with a Content-Length.
bool Parse(const std::string& in, Answer* answer) {
  const size_t end = in.find("\r\n\r\n");
  if (end == std::string::npos || in.size() < 12) {
    return false;
  }
  answer->status = std::atoi(in.c_str() + 9);
  const std::string_view header(in.data(), end + 2);
  constexpr std::string_view kLength = "\r\nContent-Length: ";
  const size_t at = header.find(kLength);
  const size_t length = at == std::string_view::npos
                            ? 0
                            : std::strtoul(in.c_str() + at + kLength.size(), nullptr, 10);
  if (in.size() < end + 4 + length) {
    return false;
  }
  answer->body = std::string_view(in).substr(end + 4, length);
  return true;
}

// Nanoseconds of the epoch; 0 when there is none. "finished_at":"2026-01-31T12:34:56.123456789Z"
int64_t FinishedAt(std::string_view body) {
  constexpr std::string_view kField = "\"finished_at\":\"";
  const size_t at = body.find(kField);
  if (at == std::string_view::npos) {
    return 0;
  }
  const std::string text(body.substr(at + kField.size(), 40));
  tm parts{};
  const char* rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
  if (rest == nullptr) {
    return 0;
  }
  const double fraction = *rest == '.' ? std::atof(rest) : 0;
  return ::timegm(&parts) * kSecond + static_cast<int64_t>(fraction * 1e9);
}

class Load {
 public:
  explicit Load(Options options)
      : options_(std::move(options)),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)),
        end_(Now() + Nanos(options_.deadline)),
        next_number_(Now(CLOCK_REALTIME)) {}

  // False: there is no such mode.
  bool Run() {
    if (options_.mode == "closed") {
      Closed();
    } else if (options_.mode == "burst") {
      Burst();
    } else if (options_.mode == "waits") {
      Waits();
    } else if (options_.mode == "streams") {
      Streams();
    } else {
      return false;
    }
    Print();
    return true;
  }

 private:
  void Closed() {
    for (size_t i = 0; i < options_.connections; ++i) {
      Ask(Open(), options_.request);
    }
    const int64_t begin = Now();
    const auto on_data = [&](Connection* connection, bool open) {
      Answer answer;
      if (Parse(connection->in, &answer)) {
        Count(answer, connection->started);
        connection->in.clear();
        connection->started = Now();
        Ask(connection, options_.request);
      } else if (!open) {
        ++failures_;
      }
    };
    Loop(
        begin + Nanos(options_.seconds), [&] { return open_ == 0; }, on_data);
    seconds_ = Seconds(Now() - begin);
  }

  void Burst() {
    const size_t all = options_.connections;
    const bool in_turn = options_.gap < 0;
    const int64_t begin = Now();
    size_t begun = 0;
    const auto next = [&] {
      return begin + static_cast<int64_t>(begun) * Nanos(std::max(options_.gap, 0.0));
    };
    const auto on_data = [&](Connection* connection, bool open) {
      Answer answer;
      if (Parse(connection->in, &answer)) {
        Count(answer, connection->started);
        Close(connection);
      } else if (!open) {
        ++failures_;
      }
    };
    while ((begun < all || open_ > 0) && Now() < end_) {
      while (begun < all && (in_turn ? open_ == 0 : Now() >= next())) {
        ++begun;
        Ask(Open(), options_.request);
      }
      const int64_t until = begun < all && !in_turn ? std::min(next(), end_) : end_;
      Loop(
          until, [&] { return open_ == 0; }, on_data);
    }
    failures_ += open_ + (all - begun);
    seconds_ = Seconds(Now() - begin);
  }

  void Waits() {
    for (std::string path; std::getline(std::cin, path);) {
      Ask(Open(), "GET " + path);
    }
    const auto on_data = [&](Connection* connection, bool open) {
      Answer answer;
      if (Parse(connection->in, &answer)) {
        const int64_t finished = FinishedAt(answer.body);
        if (IsGood(answer) && finished != 0) {
          samples_.push_back(static_cast<double>(Now(CLOCK_REALTIME) - finished) / 1e6);
        } else {
          ++failures_;
        }
        Close(connection);
      } else if (!open) {
        ++failures_;
      }
    };
    const auto all_sent = [&] {
      return std::all_of(connections_.begin(), connections_.end(),
                         [](const Connection& c) { return c.fd < 0 || c.sent_all; });
    };
    Loop(end_, all_sent, on_data);
    Finish(on_data);
  }

  void Streams() {
    for (size_t i = 0; i < options_.connections; ++i) {
      Ask(Open(), options_.request);
    }
    size_t begun = 0;
    const auto on_data = [&](Connection* connection, bool open) {
      std::string& in = connection->in;
      begun += connection->received == 0 && open ? 1 : 0;
      bytes_ += in.size() - connection->received;
      connection->has_result =
          connection->has_result || in.find("event: result") != std::string::npos;
      if (in.ends_with("\r\n0\r\n\r\n") || !open) {
        (connection->has_result ? completed_ : failures_) += 1;
        Close(connection);
        return;
      }
      in.erase(0, in.size() - std::min<size_t>(in.size(), 16));  // a mark may be in two pieces
      connection->received = in.size();
    };
    Loop(
        end_, [&] { return begun == options_.connections; }, on_data);
    Finish(on_data);
  }

  // Tells that all is set up, and goes on until all connections have ended.
  template <typename OnData>
  void Finish(const OnData& on_data) {
    std::cout << "ready" << std::endl;
    const int64_t begin = Now();
    Loop(
        end_, [&] { return open_ == 0; }, on_data);
    failures_ += open_;
    seconds_ = Seconds(Now() - begin);
  }

  Connection* Open() {
    Connection& connection = connections_.emplace_back();
    connection.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection.fd < 0) {
      Die("open a socket");
    }
    ++open_;
    const int one = 1;
    ::setsockopt(connection.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection.started = Now();
    if (::connect(connection.fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 &&
        errno != EINPROGRESS) {
      Die("connect");
    }
    Watch(&connection, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
    return &connection;
  }

  void Watch(Connection* connection, int operation, uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.ptr = connection;
    ::epoll_ctl(epoll_, operation, connection->fd, &event);
  }

  void Close(Connection* connection) {
    ::close(connection->fd);
    connection->fd = -1;
    --open_;
  }

  void Ask(Connection* connection, const std::string& request) {
    std::string body = options_.body;
    if (const size_t at = body.find("{n}"); at != std::string::npos) {
      body.replace(at, 3, std::to_string(++next_number_));
    }
    connection->out = request + " HTTP/1.1\r\nHost: load\r\n";
    if (!body.empty()) {
      connection->out +=
          "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
          "\r\n";
    }
    connection->out += "\r\n" + body;
    connection->sent = 0;
    Flush(connection);
  }

  // What is not taken now (not connected yet, or full) is tried again when epoll says so.
  void Flush(Connection* connection) {
    while (connection->sent < connection->out.size()) {
      const ssize_t n = ::send(connection->fd, connection->out.data() + connection->sent,
                               connection->out.size() - connection->sent, MSG_NOSIGNAL);
      if (n < 0) {
        return;
      }
      connection->sent += static_cast<size_t>(n);
    }
    if (!connection->sent_all) {
      connection->sent_all = true;
      Watch(connection, EPOLL_CTL_MOD, EPOLLIN);
    }
  }

  // Until `done` or that moment. `on_data(connection, open)` looks at what has come; one that is
  // not open any more is closed after it.
  template <typename Done, typename OnData>
  void Loop(int64_t until, const Done& done, const OnData& on_data) {
    static std::array<char, 256 << 10> buffer;
    std::array<epoll_event, 256> events{};
    while (!done()) {
      const int64_t left = until - Now();
      if (left <= 0) {
        return;
      }
      const int timeout_ms = static_cast<int>(std::min<int64_t>(left / 1'000'000 + 1, 1000));
      const int count = ::epoll_wait(epoll_, events.data(), events.size(), timeout_ms);
      for (int i = 0; i < count; ++i) {
        auto* connection = static_cast<Connection*>(events[static_cast<size_t>(i)].data.ptr);
        Flush(connection);
        const ssize_t n = ::recv(connection->fd, buffer.data(), buffer.size(), 0);
        if (n < 0 && errno == EAGAIN) {
          continue;
        }
        connection->in.append(buffer.data(), static_cast<size_t>(std::max<ssize_t>(n, 0)));
        on_data(connection, n > 0);
        if (n <= 0 && connection->fd >= 0) {
          Close(connection);
        }
      }
    }
  }

  bool IsGood(const Answer& answer) {
    ++statuses_[answer.status];
    return answer.status == options_.status &&
           (options_.expect.empty() || answer.body.find(options_.expect) != std::string_view::npos);
  }

  void Count(const Answer& answer, int64_t started) {
    if (IsGood(answer)) {
      samples_.push_back(static_cast<double>(Now() - started) / 1e6);
    } else {
      ++failures_;
    }
  }

  void Print() {
    std::sort(samples_.begin(), samples_.end());
    const auto percentile = [&](double p) {  // nearest rank
      const double rank = std::ceil(p / 100 * static_cast<double>(samples_.size()));
      return samples_.empty() ? 0.0 : samples_[static_cast<size_t>(std::max(rank, 1.0)) - 1];
    };
    std::cout << "{\"completed\": " << std::max(completed_, samples_.size())
              << ", \"failures\": " << failures_ << ", \"seconds\": " << seconds_
              << ", \"bytes\": " << bytes_ << ", \"milliseconds\": {\"min\": " << percentile(0);
    for (const int p : {50, 90, 95, 99, 100}) {
      std::cout << ", \"p" << p << "\": " << percentile(p);
    }
    std::cout << "}, \"statuses\": {";
    const char* separator = "";
    for (const auto& [status, count] : statuses_) {
      std::cout << separator << '"' << status << "\": " << count;
      separator = ", ";
    }
    std::cout << "}}" << std::endl;
  }

  const Options options_;
  const int epoll_;
  const int64_t end_;
  int64_t next_number_;
  std::deque<Connection> connections_;  // never moved: epoll has their addresses
  size_t open_ = 0;
  std::map<int, size_t> statuses_;
  std::vector<double> samples_;  // milliseconds
  size_t completed_ = 0;         // where there are no samples
  size_t failures_ = 0;
  size_t bytes_ = 0;
  double seconds_ = 0;
};

// NOLINTBEGIN(concurrency-mt-unsafe): a program of one thread
Options Parse(int argc, char** argv) {
  Options options;
  options.mode = argc > 1 ? argv[1] : "";
  const std::array<option, 10> long_options = {{
      {"port", required_argument, nullptr, 'p'},
      {"connections", required_argument, nullptr, 'c'},
      {"seconds", required_argument, nullptr, 's'},
      {"gap", required_argument, nullptr, 'g'},
      {"request", required_argument, nullptr, 'r'},
      {"body", required_argument, nullptr, 'b'},
      {"status", required_argument, nullptr, 'S'},
      {"expect", required_argument, nullptr, 'e'},
      {"deadline", required_argument, nullptr, 'd'},
      {nullptr, 0, nullptr, 0},
  }};
  optind = 2;
  for (int c = 0; (c = ::getopt_long(argc, argv, "", long_options.data(), nullptr)) != -1;) {
    switch (c) {
      case 'p':
        options.port = static_cast<uint16_t>(std::atoi(optarg));
        break;
      case 'c':
        options.connections = std::strtoul(optarg, nullptr, 10);
        break;
      case 's':
        options.seconds = std::atof(optarg);
        break;
      case 'g':
        options.gap = std::atof(optarg);
        break;
      case 'r':
        options.request = optarg;
        break;
      case 'b':
        options.body = optarg;
        break;
      case 'S':
        options.status = std::atoi(optarg);
        break;
      case 'e':
        options.expect = optarg;
        break;
      case 'd':
        options.deadline = std::atof(optarg);
        break;
      default:
        std::exit(2);
    }
  }
  return options;
}

// NOLINTEND(concurrency-mt-unsafe)

}  // namespace

int main(int argc, char** argv) {
  Load load(Parse(argc, argv));
  if (!load.Run()) {
    std::cerr << "load: the first argument is closed, burst, waits or streams\n";
    return 2;
  }
  return 0;
}
