#include "docker/cli.h"

#include <fcntl.h>
#include <sys/wait.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstring>
#include <map>

#include "base/log.h"
#include "base/text.h"
#include "linux/message.h"

namespace docker {
namespace {

namespace asio = boost::asio;
using base::UniqueFd;

constexpr char kBrokerEnded[] = "sandbox-docker-broker has ended";
constexpr size_t kMaxOutput = 256UL << 10;
// A stray holder of a pipe's end must not keep the answer.
constexpr std::chrono::seconds kEndTime(5);

bool MakePipe(UniqueFd* read_end, UniqueFd* write_end) {
  std::array<int, 2> fds{};
  if (::pipe2(fds.data(), O_CLOEXEC) != 0) {
    return false;
  }
  read_end->reset(fds[0]);
  write_end->reset(fds[1]);
  return true;
}

// One Call: both streams are read to their ends.
struct CallState {
  explicit CallState(asio::io_context& loop) : out(loop), err(loop), timer(loop) {}

  struct Pipe {
    explicit Pipe(asio::io_context& loop) : descriptor(loop) {}

    asio::posix::stream_descriptor descriptor;
    std::array<char, 8192> buffer{};
    std::string data;
    bool ended = false;
  };

  Pipe out;
  Pipe err;
  asio::steady_timer timer;
  bool ended = false;
  CallResult result;
  Cli::OnCall on_call;
};

void MaybeDone(const std::shared_ptr<CallState>& call) {
  if (call->ended && call->out.ended && call->err.ended && call->on_call) {
    call->result.output = std::move(call->out.data);
    call->result.errors = std::move(call->err.data);
    call->timer.cancel();
    const auto on_call = std::exchange(call->on_call, nullptr);
    on_call(std::move(call->result));
  }
}

// The command has ended; what it has said may still be in the pipes.
void CommandEnded(const std::shared_ptr<CallState>& call, CallResult result) {
  call->result = std::move(result);
  call->ended = true;
  call->timer.expires_after(kEndTime);
  call->timer.async_wait([call](const boost::system::error_code& error) {
    if (!error) {
      boost::system::error_code ignored;
      call->out.descriptor.close(ignored);
      call->err.descriptor.close(ignored);
    }
  });
  MaybeDone(call);
}

void ReadPipe(const std::shared_ptr<CallState>& call, CallState::Pipe* pipe) {
  pipe->descriptor.async_read_some(asio::buffer(pipe->buffer),
                                   [call, pipe](const boost::system::error_code& error, size_t n) {
                                     if (error) {
                                       pipe->ended = true;
                                       MaybeDone(call);
                                       return;
                                     }
                                     pipe->data.append(pipe->buffer.data(), n);
                                     if (pipe->data.size() > 2 * kMaxOutput) {
                                       pipe->data.erase(0, pipe->data.size() - kMaxOutput);
                                     }
                                     ReadPipe(call, pipe);
                                   });
}

}  // namespace

class Cli::Impl : public std::enable_shared_from_this<Cli::Impl> {
 public:
  Impl(asio::io_context& loop, Broker broker, std::function<void()> lost)
      : loop_(loop), socket_(loop, broker.socket.release()), lost_(std::move(lost)) {
    process_ = std::move(broker.process);
  }

  void Begin() { Wait(); }

  void Shut() {
    boost::system::error_code ignored;
    socket_.close(ignored);
    lost_ = nullptr;
    ended_ = true;
    commands_.clear();
    for (const auto& weak : calls_) {
      if (const auto call = weak.lock()) {
        call->on_call = nullptr;
        call->timer.cancel();
        call->out.descriptor.close(ignored);
        call->err.descriptor.close(ignored);
      }
    }
  }

  void Call(wire::Command command, const std::string& name, base::Nanos deadline, OnCall on_call) {
    auto call = std::make_shared<CallState>(loop_);
    call->on_call = std::move(on_call);
    Streams streams;
    auto opened = Open(command, name, deadline, &streams,
                       [call](CallResult result) { CommandEnded(call, std::move(result)); });
    if (!opened) {
      call->result.started = opened.error();
      call->ended = call->out.ended = call->err.ended = true;
      asio::post(loop_, [call] { MaybeDone(call); });
      return;
    }
    std::erase_if(calls_, [](const auto& weak) { return weak.expired(); });
    calls_.push_back(call);
    streams.input.reset();
    call->out.descriptor.assign(streams.output.release());
    call->err.descriptor.assign(streams.errors.release());
    ReadPipe(call, &call->out);
    ReadPipe(call, &call->err);
  }

  base::Result<CommandId> Open(wire::Command command, const std::string& name, base::Nanos deadline,
                               Streams* streams, OnEnd on_end) {
    wire::Request request{};
    if (name.size() >= request.name.size()) {
      return base::InvalidArgument("the container's name is too long");
    }
    if (ended_) {
      return base::Internal(kBrokerEnded);
    }
    UniqueFd input;
    UniqueFd output;
    UniqueFd errors;
    if (!MakePipe(&input, &streams->input) || !MakePipe(&streams->output, &output) ||
        !MakePipe(&streams->errors, &errors)) {
      return base::SysError("pipe", errno);
    }
    request.version = wire::kVersion;
    request.type = static_cast<uint32_t>(wire::RequestType::kStart);
    request.id = ++last_id_;
    request.command = static_cast<uint32_t>(command);
    request.deadline = deadline;
    std::memcpy(request.name.data(), name.data(), name.size());
    const std::array<int, wire::kRequestFds> fds = {input.get(), output.get(), errors.get()};
    if (!linux::SendMessage(socket_.native_handle(), &request, sizeof(request), fds.data(),
                            wire::kRequestFds, MSG_DONTWAIT)) {
      return base::SysError("send to sandbox-docker-broker", errno);
    }
    commands_[request.id] = std::move(on_end);
    return request.id;
  }

  void Kill(CommandId id) {
    wire::Request request{};
    request.version = wire::kVersion;
    request.type = static_cast<uint32_t>(wire::RequestType::kKill);
    request.id = id;
    linux::SendMessage(socket_.native_handle(), &request, sizeof(request), nullptr, 0,
                       MSG_DONTWAIT);
  }

 private:
  void Wait() {
    socket_.async_wait(asio::posix::stream_descriptor::wait_read,
                       [weak = weak_from_this()](const boost::system::error_code& error) {
                         const auto self = weak.lock();
                         if (self != nullptr && !error && self->Receive()) {
                           self->Wait();
                         }
                       });
  }

  // False when the broker is gone.
  bool Receive() {
    for (;;) {
      wire::Reply reply{};
      std::array<int, linux::kMaxMessageFds> fds{};
      int count = 0;
      const ssize_t n = linux::ReceiveMessage(socket_.native_handle(), &reply, sizeof(reply),
                                              fds.data(), &count, MSG_DONTWAIT);
      if (n < 0 && errno == EAGAIN) {
        return true;
      }
      for (int i = 0; i < count; ++i) {
        ::close(fds[static_cast<size_t>(i)]);
      }
      if (n != sizeof(reply) || reply.version != wire::kVersion) {
        Lose();
        return false;
      }
      CallResult result;
      if (reply.error != 0) {
        result.started = base::SysError("start the Docker CLI", reply.error);
      }
      result.timed_out = reply.timed_out != 0;
      result.exit_code = WIFEXITED(reply.wait_status) ? WEXITSTATUS(reply.wait_status)
                                                      : 128 + WTERMSIG(reply.wait_status);
      End(reply.id, std::move(result));
    }
  }

  void End(CommandId id, CallResult result) {
    const auto found = commands_.find(id);
    if (found != commands_.end()) {
      const OnEnd on_end = std::move(found->second);
      commands_.erase(found);
      on_end(std::move(result));
    }
  }

  void Lose() {
    if (std::exchange(ended_, true)) {
      return;
    }
    base::Log(base::LogLevel::kError, kBrokerEnded);
    while (!commands_.empty()) {
      CallResult result;
      result.started = base::Internal(kBrokerEnded);
      End(commands_.begin()->first, std::move(result));
    }
    if (const auto lost = std::exchange(lost_, nullptr)) {
      lost();
    }
  }

  asio::io_context& loop_;
  asio::posix::stream_descriptor socket_;
  base::UniqueFd process_;
  std::function<void()> lost_;
  std::map<CommandId, OnEnd> commands_;
  std::vector<std::weak_ptr<CallState>> calls_;
  CommandId last_id_ = 0;
  bool ended_ = false;  // the broker, or this
};

Cli::Cli(asio::io_context& loop, Broker broker, std::function<void()> lost)
    : impl_(std::make_shared<Impl>(loop, std::move(broker), std::move(lost))) {
  impl_->Begin();
}

// NOLINTNEXTLINE(bugprone-exception-escape): cancelling timers throws for bad descriptors only
Cli::~Cli() {
  impl_->Shut();
}

void Cli::Call(wire::Command command, const std::string& name, base::Nanos deadline,
               OnCall on_call) {
  impl_->Call(command, name, deadline, std::move(on_call));
}

base::Result<Cli::CommandId> Cli::Open(wire::Command command, const std::string& name,
                                       base::Nanos deadline, Streams* streams, OnEnd on_end) {
  return impl_->Open(command, name, deadline, streams, std::move(on_end));
}

void Cli::Kill(CommandId id) {
  impl_->Kill(id);
}

std::string Describe(const CallResult& result) {
  if (!result.started) {
    const base::Error& error = result.started.error();
    return error.sys_errno == ENOENT || error.sys_errno == EACCES
               ? "the Docker CLI is not installed; look at SANDBOX_DOCKER_BIN and PATH"
               : error.message;
  }
  if (result.timed_out) {
    return "the Docker CLI did not answer in time; is the daemon (DOCKER_HOST) overloaded?";
  }
  std::string text = result.errors;
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
    text.pop_back();
  }
  text = text.substr(text.rfind('\n') == std::string::npos ? 0 : text.rfind('\n') + 1);
  if (text.find("Cannot connect to the Docker daemon") != std::string::npos ||
      text.find("dial unix") != std::string::npos) {
    return "the Docker daemon does not answer; look at DOCKER_HOST: " + base::Printable(text);
  }
  return "the Docker CLI ended with exit code " + std::to_string(result.exit_code) +
         (text.empty() ? "" : ": " + base::Printable(text, 400));
}

}  // namespace docker
