#include "store/redis_client.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <random>
#include <utility>

#include "base/text.h"

namespace store {

namespace asio = boost::asio;

namespace {

constexpr base::Nanos kFirstPause = 50 * base::kMillisecond;

// A connection that lived as long is worth a quick new try.
constexpr base::Nanos kStable = 5 * base::kSecond;

// How often deadlines are looked at, and after what silence the server is asked for a sign of life.
constexpr std::chrono::milliseconds kTick(250);
constexpr base::Nanos kPingAfter = 2 * base::kSecond;

base::Error Unavailable(std::string message) {
  return {base::ErrorKind::kUnavailable, std::move(message), 0};
}

}  // namespace

RedisScript RedisScript::Of(std::string source) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  ::EVP_Digest(source.data(), source.size(), digest.data(), &size, ::EVP_sha1(), nullptr);
  constexpr char kHex[] = "0123456789abcdef";
  RedisScript script;
  script.source = std::move(source);
  for (unsigned int i = 0; i < size; ++i) {
    script.sha1 += kHex[digest[i] >> 4];
    script.sha1 += kHex[digest[i] & 15];
  }
  return script;
}

class RedisClient::Impl : public std::enable_shared_from_this<RedisClient::Impl> {
 public:
  Impl(asio::io_context& loop, RedisOptions options, std::string name, Events events)
      : loop_(loop),
        options_(std::move(options)),
        name_(std::move(name)),
        events_(std::move(events)),
        pause_timer_(loop),
        tick_timer_(loop),
        random_(std::random_device()()),
        why_(Unavailable("Redis at " + where() + ": not connected yet")) {}

  void Start() { Connect(); }

  void Send(std::vector<std::string> command, Callback done) {
    if (!up_) {
      Refuse(why_, std::move(done));
    } else if (pending_.size() >= options_.max_pending ||
               out_.size() >= options_.max_pending_bytes) {
      Refuse(Unavailable("too many commands wait for Redis at " + where()), std::move(done));
    } else {
      Enqueue(command, options_.command_timeout,
              [this, done = std::move(done)](base::Result<RedisReply> reply) {
                done(Check(std::move(reply)));
              });
    }
  }

  void Run(const RedisScript& script, std::vector<std::string> arguments, Callback done) {
    if (!up_) {
      Refuse(why_, std::move(done));
      return;
    }
    std::vector<std::string> command = {"EVALSHA", script.sha1, "1", "{" + options_.prefix + "}"};
    command.insert(command.end(), std::make_move_iterator(arguments.begin()),
                   std::make_move_iterator(arguments.end()));
    const auto shared = std::make_shared<std::vector<std::string>>(std::move(command));
    Enqueue(*shared, options_.command_timeout,
            [this, shared, source = &script.source,
             done = std::move(done)](base::Result<RedisReply> reply) {
              if (reply && IsNoScript(*reply)) {  // executed nothing: it is sent in full, once
                (*shared)[0] = "EVAL";
                (*shared)[1] = *source;
                Send(std::move(*shared), done);
              } else {
                done(Check(std::move(reply)));
              }
            });
  }

  void Reconnect() {
    asio::post(loop_, [self = shared_from_this(), generation = generation_] {
      if (!self->closed_ && self->generation_ == generation) {
        self->Fail(Unavailable("the connection to Redis at " + self->where() + " is made anew"));
      }
    });
  }

  void Close() {
    closed_ = true;
    ++generation_;
    socket_.reset();
    pause_timer_.cancel();
    tick_timer_.cancel();
    pending_.clear();
    events_ = {};
  }

  bool up() const { return up_; }

  const base::Error& why() const { return why_; }

 private:
  struct Pending {
    Callback done;
    base::Nanos deadline = 0;  // monotonic
    base::Nanos timeout = 0;
  };

  std::string where() const { return options_.addresses[address_].ToString(); }

  void Refuse(base::Error error, Callback done) {
    asio::post(loop_, [self = shared_from_this(), error = std::move(error),
                       done = std::move(done)]() mutable {
      if (!self->closed_) {
        done(std::move(error));
      }
    });
  }

  // Turns an error reply into an Error.
  base::Result<RedisReply> Check(base::Result<RedisReply> reply) {
    if (!reply || reply->type != RedisReply::Type::kError) {
      return reply;
    }
    base::Error error = ToError(*reply, where());
    if (WantsReconnect(*reply)) {
      Reconnect();
    }
    return error;
  }

  void Connect() {
    const uint64_t generation = ++generation_;
    reader_ = std::make_unique<RedisReader>();
    out_.clear();
    writing_ = false;
    socket_ = std::make_unique<RedisSocket>(loop_);
    socket_->Connect(
        options_.addresses[address_], options_.tls, options_.connect_timeout,
        [self = shared_from_this(), generation](const base::Result<void>& connected) {
          if (self->generation_ != generation) {
            return;
          }
          if (connected) {
            self->ShakeHands();
          } else {
            self->Fail(Unavailable("Redis at " + self->where() +
                                   " cannot be reached: " + connected.error().message));
          }
        });
  }

  void ShakeHands() {
    last_read_ = base::MonotonicNow();
    Tick();
    Read();
    const uint64_t generation = generation_;
    const auto must_succeed = [this](base::Result<RedisReply> reply) {
      if (reply && reply->type == RedisReply::Type::kError) {
        Fail(ToError(*reply, where()));
      }
    };
    if (!options_.password.empty() && !options_.username.empty()) {
      Enqueue({"AUTH", options_.username, options_.password}, options_.connect_timeout,
              must_succeed);
    } else if (!options_.password.empty()) {
      Enqueue({"AUTH", options_.password}, options_.connect_timeout, must_succeed);
    }
    if (options_.db != 0) {
      Enqueue({"SELECT", std::to_string(options_.db)}, options_.connect_timeout, must_succeed);
    }
    // A convenience that an ACL may forbid.
    Enqueue({"CLIENT", "SETNAME", name_}, options_.connect_timeout, [](const auto&) {});
    // Fails when a password is missing or data is still being loaded.
    Enqueue({"PING"}, options_.connect_timeout, must_succeed);
    Enqueue({"ROLE"}, options_.connect_timeout, [this, generation](const auto& reply) {
      if (!reply || generation_ != generation) {
        return;
      }
      if (reply->type == RedisReply::Type::kArray && !reply->items.empty() &&
          reply->items[0].IsText("slave")) {
        Fail(Unavailable("Redis at " + where() +
                         " is a read-only replica: REDIS_ADDR must lead to the master"));
        return;
      }
      up_ = true;
      up_since_ = base::MonotonicNow();
      if (events_.up) {
        const auto up = events_.up;  // it may lead to the end of this client
        up();
      }
    });
  }

  void Enqueue(const std::vector<std::string>& command, base::Nanos timeout, Callback done) {
    if (!socket_) {  // an earlier command of the handshake has failed
      return;
    }
    out_ += FormatRedisCommand(command);
    pending_.push_back({std::move(done), base::MonotonicNow() + timeout, timeout});
    Flush();
  }

  void Flush() {
    if (writing_ || out_.empty()) {
      return;
    }
    writing_ = true;
    socket_->Write(std::exchange(out_, {}), [self = shared_from_this(), generation = generation_](
                                                const base::Result<void>& written) {
      if (self->generation_ != generation) {
        return;
      }
      self->writing_ = false;
      if (written) {
        self->Flush();
      } else {
        self->Fail(Unavailable("the connection to Redis at " + self->where() +
                               " is lost: " + written.error().message));
      }
    });
  }

  void Read() {
    socket_->Read([self = shared_from_this(),
                   generation = generation_](const base::Result<std::string_view>& bytes) {
      if (self->generation_ != generation) {
        return;
      }
      if (!bytes) {
        self->Fail(Unavailable("the connection to Redis at " + self->where() +
                               " is lost: " + bytes.error().message));
        return;
      }
      self->last_read_ = base::MonotonicNow();
      self->reader_->Feed(*bytes);
      if (self->TakeReplies()) {
        self->Read();
      }
    });
  }

  // False when the connection has ended meanwhile.
  bool TakeReplies() {
    const uint64_t generation = generation_;
    while (true) {
      auto reply = reader_->Next();
      if (!reply) {
        Fail(Unavailable("Redis at " + where() + ": " + reply.error().message));
        return false;
      }
      if (!*reply) {
        return true;
      }
      Take(std::move(**reply));
      if (generation_ != generation) {
        return false;
      }
    }
  }

  void Take(RedisReply reply) {
    if (reply.type == RedisReply::Type::kArray && reply.items.size() == 3 &&
        reply.items[0].IsText("message")) {
      if (const auto message = events_.message) {
        message(reply.items[1].text, reply.items[2].text);
      }
      return;
    }
    if (pending_.empty()) {
      Fail(Unavailable("Redis at " + where() + " answers what was not asked"));
      return;
    }
    const Callback done = std::move(pending_.front().done);
    pending_.pop_front();
    done(std::move(reply));
  }

  // Ends this connection and plans the next.
  void Fail(const base::Error& error) {
    ++generation_;
    if (std::exchange(up_, false) && up_since_ + kStable <= base::MonotonicNow()) {
      pause_ = kFirstPause;
    }
    why_ = error;
    socket_.reset();
    tick_timer_.cancel();
    address_ = (address_ + 1) % options_.addresses.size();
    std::uniform_real_distribution<double> jitter(0.5, 1.0);
    const auto pause = static_cast<base::Nanos>(static_cast<double>(pause_) * jitter(random_));
    pause_ = std::min(options_.max_pause, 2 * pause_);
    pause_timer_.expires_after(std::chrono::nanoseconds(pause));
    pause_timer_.async_wait([self = shared_from_this()](const boost::system::error_code& stopped) {
      if (!stopped && !self->closed_) {
        self->Connect();
      }
    });
    const std::deque<Pending> lost = std::exchange(pending_, {});
    for (const Pending& pending : lost) {
      pending.done(error);
      if (closed_) {
        return;
      }
    }
    if (const auto down = events_.down) {
      down(error);
    }
  }

  void Tick() {
    tick_timer_.expires_after(kTick);
    tick_timer_.async_wait([self = shared_from_this(),
                            generation = generation_](const boost::system::error_code& error) {
      if (error || self->generation_ != generation) {
        return;
      }
      const base::Nanos now = base::MonotonicNow();
      if (!self->pending_.empty() && self->pending_.front().deadline <= now) {
        self->Fail(Unavailable("Redis at " + self->where() + " has not answered within " +
                               base::FormatDuration(self->pending_.front().timeout)));
        return;
      }
      if (self->pending_.empty() && self->last_read_ + kPingAfter <= now) {
        self->Enqueue({"PING"}, self->options_.command_timeout, [](const auto&) {});
      }
      self->Tick();
    });
  }

  asio::io_context& loop_;
  const RedisOptions options_;
  const std::string name_;
  Events events_;
  asio::steady_timer pause_timer_;
  asio::steady_timer tick_timer_;
  std::minstd_rand random_;
  size_t address_ = 0;
  base::Nanos pause_ = kFirstPause;
  uint64_t generation_ = 0;  // of the connection: callbacks of earlier ones do nothing
  bool up_ = false;
  bool closed_ = false;
  base::Error why_;
  std::unique_ptr<RedisSocket> socket_;
  std::unique_ptr<RedisReader> reader_;
  std::deque<Pending> pending_;  // in the order of the commands sent
  std::string out_;              // not yet being written
  bool writing_ = false;
  base::Nanos last_read_ = 0;
  base::Nanos up_since_ = 0;
};

RedisClient::RedisClient(asio::io_context& loop, RedisOptions options, std::string name,
                         Events events)
    : impl_(std::make_shared<Impl>(loop, std::move(options), std::move(name), std::move(events))) {}

// NOLINTNEXTLINE(bugprone-exception-escape): cancelling timers throws for bad descriptors only
RedisClient::~RedisClient() {
  impl_->Close();
}

void RedisClient::Start() {
  impl_->Start();
}

void RedisClient::Send(std::vector<std::string> command, Callback done) {
  impl_->Send(std::move(command), std::move(done));
}

void RedisClient::Run(const RedisScript& script, std::vector<std::string> arguments,
                      Callback done) {
  impl_->Run(script, std::move(arguments), std::move(done));
}

void RedisClient::Reconnect() {
  impl_->Reconnect();
}

bool RedisClient::up() const {
  return impl_->up();
}

base::Error RedisClient::why() const {
  return impl_->why();
}

}  // namespace store
