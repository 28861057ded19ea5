#include "sandbox/streams.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <deque>
#include <optional>
#include <string_view>
#include <utility>

#include "base/unique_fd.h"
#include "linux/message.h"

namespace sandbox {
namespace {

namespace asio = boost::asio;
using base::Result;
using base::UniqueFd;

void SetSize(int terminal, TerminalSize size) {
  const winsize wanted{size.rows, size.cols, 0, 0};
  ::ioctl(terminal, TIOCSWINSZ, &wanted);
}

// The master that pid 1 of the sandbox sends ahead of the program's start; none when it has failed.
UniqueFd ReceiveTerminal(int socket) {
  char made = 0;
  std::array<int, linux::kMaxMessageFds> fds{};
  int count = 0;
  if (linux::ReceiveMessage(socket, &made, sizeof(made), fds.data(), &count, MSG_DONTWAIT) < 0) {
    return {};
  }
  UniqueFd master;
  for (int i = 0; i < count; ++i) {
    master.reset(fds[static_cast<size_t>(i)]);
  }
  return master;
}

// A pipe whose writing end is the program's; returns the other one.
Result<UniqueFd> MakeOutput(UniqueFd* theirs) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return base::SysError("pipe", errno);
  }
  UniqueFd ours(ends[0]);
  theirs->reset(ends[1]);
  // The program runs as another user: so that it can also open its streams by name (/dev/stdout).
  if (::fchmod(ends[1], 0622) != 0) {
    return base::SysError("open a stream for writing", errno);
  }
  return ours;
}

class RunStreams final : public Streams, public std::enable_shared_from_this<RunStreams> {
 public:
  RunStreams(asio::io_context& loop, int64_t limit, Handlers handlers)
      : loop_(loop),
        limit_(static_cast<size_t>(limit)),
        handlers_(std::move(handlers)),
        out_(loop),
        err_(loop),
        in_(loop) {}

  Result<void> Open(const Spec& spec, Message* message) override {
    if (spec.terminal) {
      OpenTerminal(spec, message);
      return {};
    }
    auto out = MakeOutput(&message->stdout_fd);
    if (!out) {
      return out.error();
    }
    auto err = MakeOutput(&message->stderr_fd);
    if (!err) {
      return err.error();
    }
    out_.descriptor.assign(out->release());
    err_.descriptor.assign(err->release());
    Read(&out_, Stream::kStdout);
    Read(&err_, Stream::kStderr);
    if (spec.live_input) {
      in_.assign(message->input.release());
      if (!spec.stdin_data.empty()) {
        Write(spec.stdin_data, [] {});
      }
    }
    return {};
  }

  void Write(std::string data, std::function<void()> done) override {
    if (!in_.is_open() && !awaits_terminal_) {
      asio::post(loop_, std::move(done));
      return;
    }
    input_.push_back({std::move(data), std::move(done)});
    if (input_.size() == 1 && !awaits_terminal_) {
      Feed();
    }
  }

  void CloseInput() override {
    input_ends_ = true;
    if (input_.empty()) {
      EndInput();
    }
  }

  void Resize(TerminalSize size) override {
    if (awaits_terminal_) {
      size_ = size;
    } else if (in_.is_open()) {
      SetSize(in_.native_handle(), size);  // ENOTTY, should it be a pipe
    }
  }

  bool ended() const override { return out_.ended && err_.ended; }

  void TakeOutput(RunResult* result) override {
    result->stdout_data = std::move(out_.data);
    result->stderr_data = std::move(err_.data);
    result->stdout_truncated = out_.truncated;
    result->stderr_truncated = err_.truncated;
  }

  void Close() override {
    closed_ = true;
    boost::system::error_code ignored;
    out_.descriptor.close(ignored);
    err_.descriptor.close(ignored);
    in_.close(ignored);
  }

  void DropAwaiting() override {
    if (std::exchange(awaits_terminal_, false)) {
      DropInput();
    }
  }

 private:
  struct Output {
    explicit Output(asio::io_context& loop) : descriptor(loop) {}

    asio::posix::stream_descriptor descriptor;
    std::string data;
    bool truncated = false;
    bool ended = false;
    std::array<char, 65536> buffer{};
  };

  struct Piece {
    std::string data;
    std::function<void()> done;
  };

  void OpenTerminal(const Spec& spec, Message* message) {
    awaits_terminal_ = true;
    err_.ended = true;  // there is none
    out_.descriptor.assign(message->input.release());
    AwaitTerminal();
    if (!spec.stdin_data.empty()) {
      Write(spec.stdin_data, [] {});
    }
  }

  void AwaitTerminal() {
    out_.descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                               [self = shared_from_this()](const boost::system::error_code& error) {
                                 if (!error && !self->closed_) {
                                   self->TakeTerminal();
                                 }
                               });
  }

  // It is read by one descriptor and written by another.
  void TakeTerminal() {
    UniqueFd master = ReceiveTerminal(out_.descriptor.native_handle());
    UniqueFd writable(master.valid() ? ::fcntl(master.get(), F_DUPFD_CLOEXEC, 3) : -1);
    boost::system::error_code ignored;
    out_.descriptor.close(ignored);
    awaits_terminal_ = false;
    if (!writable.valid()) {  // the launcher's reply says why, or has said it
      out_.ended = true;
      DropInput();
      return handlers_.on_end();
    }
    if (size_) {
      SetSize(master.get(), *size_);
    }
    out_.descriptor.assign(master.release());
    in_.assign(writable.release());
    Read(&out_, Stream::kStdout);
    if (!input_.empty()) {
      Feed();
    } else if (input_ends_) {
      EndInput();
    }
  }

  // Writes the first piece, then those behind it. A program that has ended or does not want its
  // input any more takes nothing: what is left is dropped.
  void Feed() {
    asio::async_write(in_, asio::buffer(input_.front().data),
                      [self = shared_from_this()](const boost::system::error_code& error, size_t) {
                        std::deque<Piece> over;
                        if (error) {
                          self->EndInput();
                          over.swap(self->input_);
                        } else {
                          over.push_back(std::move(self->input_.front()));
                          self->input_.pop_front();
                        }
                        if (!self->input_.empty()) {
                          self->Feed();
                        } else if (self->input_ends_) {
                          self->EndInput();
                        }
                        for (const Piece& piece : over) {
                          piece.done();  // may hand in the next
                        }
                      });
  }

  void EndInput() {
    boost::system::error_code ignored;
    in_.close(ignored);
  }

  void DropInput() {
    for (const Piece& piece : std::exchange(input_, {})) {
      piece.done();
    }
  }

  void Read(Output* output, Stream stream) {
    output->descriptor.async_read_some(asio::buffer(output->buffer),
                                       [self = shared_from_this(), output, stream](
                                           const boost::system::error_code& error, size_t n) {
                                         if (self->closed_) {
                                           return;
                                         }
                                         if (!error) {
                                           self->Take(output, stream, n);
                                           return self->Read(output, stream);
                                         }
                                         output->ended = true;
                                         if (self->ended()) {
                                           self->handlers_.on_end();
                                         }
                                       });
  }

  void Take(Output* output, Stream stream, size_t n) {
    const size_t room = limit_ - output->data.size();
    const std::string_view kept(output->buffer.data(), std::min(n, room));
    output->data.append(kept);
    if (!kept.empty() && handlers_.on_output) {
      handlers_.on_output(stream, kept);
    }
    if (n > room && !output->truncated) {
      output->truncated = true;
      handlers_.on_over();
    }
  }

  asio::io_context& loop_;
  const size_t limit_;
  const Handlers handlers_;
  Output out_;
  Output err_;
  asio::posix::stream_descriptor in_;  // open while its program may have more input
  std::deque<Piece> input_;            // the first is being written, unless a terminal is awaited
  bool input_ends_ = false;            // after these
  bool awaits_terminal_ = false;       // `out_` is the socket over which it comes
  std::optional<TerminalSize> size_;   // that it is to have then, when it is not the first
  bool closed_ = false;
};

}  // namespace

std::shared_ptr<Streams> MakeStreams(asio::io_context& loop, int64_t limit,
                                     Streams::Handlers handlers) {
  return std::make_shared<RunStreams>(loop, limit, std::move(handlers));
}

}  // namespace sandbox
