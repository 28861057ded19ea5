#include "sandbox/channel.h"

#include <sys/socket.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <cstring>
#include <deque>
#include <utility>

#include "base/result.h"
#include "linux/message.h"

namespace sandbox {
namespace {

namespace asio = boost::asio;
using base::UniqueFd;

class SocketChannel final : public Channel, public std::enable_shared_from_this<SocketChannel> {
 public:
  SocketChannel(asio::io_context& loop, UniqueFd socket)
      : loop_(loop), socket_(loop, socket.release()) {}

  void Begin(Handlers handlers) override {
    handlers_ = std::move(handlers);
    WaitForReply();
  }

  void Close() override {
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

  // The launcher reads at once, but many may come in a moment: those that find the socket full
  // wait, in their order.
  void Post(Message message) override {
    waiting_.push_back(std::move(message));
    if (waiting_.size() == 1) {
      SendWaiting();
    }
  }

  bool behind() const override { return !waiting_.empty(); }

 private:
  void SendWaiting() {
    for (; !waiting_.empty(); waiting_.pop_front()) {
      if (SendNow(waiting_.front())) {
        continue;
      }
      if (errno == EAGAIN) {
        socket_.async_wait(asio::posix::stream_descriptor::wait_write,
                           [weak = weak_from_this()](const boost::system::error_code& error) {
                             const auto self = weak.lock();
                             if (self != nullptr && !error) {
                               self->SendWaiting();
                             }
                           });
        return;
      }
      asio::post(loop_, [self = shared_from_this(), id = waiting_.front().request.id,
                         message = base::SysError("send to sandbox-launcher", errno).message] {
        self->handlers_.on_unsent(id, message);
      });
    }
  }

  // False with errno.
  bool SendNow(const Message& message) {
    std::array<int, wire::kMaxFds> fds{};
    int count = 0;
    for (const UniqueFd* fd :
         {&message.payload, &message.stdin_fd, &message.stdout_fd, &message.stderr_fd}) {
      if (fd->valid()) {
        fds[static_cast<size_t>(count++)] = fd->get();
      }
    }
    for (const auto& file : message.files) {
      fds[static_cast<size_t>(count++)] = file->get();
    }
    return linux::SendMessage(socket_.native_handle(), &message.request,
                              wire::SizeOf(message.request), fds.data(), count, MSG_DONTWAIT);
  }

  void WaitForReply() {
    socket_.async_wait(asio::posix::stream_descriptor::wait_read,
                       [weak = weak_from_this()](const boost::system::error_code& error) {
                         const auto self = weak.lock();
                         if (self != nullptr && !error && self->ReceiveReplies()) {
                           self->WaitForReply();
                         }
                       });
  }

  // False when the launcher is gone.
  bool ReceiveReplies() {
    for (;;) {
      wire::Reply reply{};
      std::array<int, linux::kMaxMessageFds> fds{};
      int count = 0;
      const ssize_t n = linux::ReceiveMessage(socket_.native_handle(), &reply, sizeof(reply),
                                              fds.data(), &count, MSG_DONTWAIT);
      if (n < 0 && errno == EAGAIN) {
        return true;
      }
      std::vector<UniqueFd> files;
      for (int i = 0; i < count; ++i) {
        files.emplace_back(fds[static_cast<size_t>(i)]);
      }
      if (reply.type == static_cast<uint32_t>(wire::ReplyType::kPool) && TakePool(reply, n)) {
        continue;
      }
      if (n != static_cast<ssize_t>(wire::SizeOf(reply)) || reply.version != wire::kVersion ||
          reply.type != static_cast<uint32_t>(wire::ReplyType::kRun)) {
        handlers_.on_lost();
        return false;
      }
      handlers_.on_reply(reply, std::move(files));
    }
  }

  // What has arrived in the place of a reply. False when it is not sound.
  bool TakePool(const wire::Reply& arrived, ssize_t size) {
    static_assert(sizeof(wire::PoolReport) <= sizeof(arrived));
    wire::PoolReport report;
    std::memcpy(&report, &arrived, sizeof(report));
    return size >= 0 && handlers_.on_pool(report, static_cast<size_t>(size));
  }

  asio::io_context& loop_;
  asio::posix::stream_descriptor socket_;
  Handlers handlers_;
  std::deque<Message> waiting_;  // to be sent
};

}  // namespace

std::shared_ptr<Channel> MakeChannel(asio::io_context& loop, UniqueFd socket) {
  return std::make_shared<SocketChannel>(loop, std::move(socket));
}

}  // namespace sandbox
