#include "docker/live_input.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <string_view>
#include <utility>

namespace docker {
namespace {

constexpr size_t kMaxSignals = 32;  // that wait
constexpr size_t kMaxPiece = 32U << 10;

void Put(wire::ControlType type, uint32_t detail, std::string* out) {
  const wire::Control control{static_cast<uint32_t>(type), detail};
  out->append(reinterpret_cast<const char*>(&control), sizeof(control));
}

}  // namespace

void Feed::Write(std::string data, std::function<void()> done) {
  if (dropped_ || data.empty()) {
    return Call(std::move(done));
  }
  unsent_.push_back({std::move(data), 0, std::move(done)});
  Wake();
}

void Feed::CloseInput() {
  ends_ = true;
  Wake();
}

void Feed::Resize(sandbox::TerminalSize size) {
  size_ = size;
  Wake();
}

void Feed::Signal(int signal) {
  if (wake_ && signals_.size() < kMaxSignals) {
    signals_.push_back(signal);
    Wake();
  }
}

void Feed::TakeSize(sandbox::Spec* spec) {
  if (const auto size = std::exchange(size_, std::nullopt); size && spec->terminal) {
    spec->terminal = size;
  }
}

void Feed::Attach(std::function<void()> wake) {
  wake_ = std::move(wake);
  Wake();
}

void Feed::Wake() {
  if (wake_) {
    wake_();
  }
}

void Feed::Call(std::function<void()> done) {
  if (done) {
    boost::asio::post(loop_, std::move(done));
  }
}

std::string Feed::Take() {
  std::string out;
  if (const auto size = std::exchange(size_, std::nullopt)) {
    Put(wire::ControlType::kResize, uint32_t{size->rows} << 16 | size->cols, &out);
  }
  while (!unsent_.empty() && under_way_ < wire::kInputWindow) {
    Piece& piece = unsent_.front();
    const size_t room = std::min<size_t>(kMaxPiece, wire::kInputWindow - under_way_);
    const std::string_view part = std::string_view(piece.data).substr(piece.sent, room);
    Put(wire::ControlType::kInput, static_cast<uint32_t>(part.size()), &out);
    out.append(part);
    piece.sent += part.size();
    under_way_ += static_cast<uint32_t>(part.size());
    if (piece.sent == piece.data.size()) {
      sent_.push_back(std::move(piece));
      unsent_.pop_front();
    }
  }
  if (ends_ && unsent_.empty() && !std::exchange(end_sent_, true)) {
    Put(wire::ControlType::kInputEnd, 0, &out);
  }
  for (const int signal : std::exchange(signals_, {})) {
    Put(wire::ControlType::kSignal, static_cast<uint32_t>(signal), &out);
  }
  return out;
}

bool Feed::Taken(uint32_t bytes) {
  if (bytes == 0 || bytes > under_way_) {
    return false;
  }
  under_way_ -= bytes;
  first_taken_ += bytes;
  while (!sent_.empty() && first_taken_ >= sent_.front().data.size()) {
    first_taken_ -= sent_.front().data.size();
    Call(std::move(sent_.front().done));
    sent_.pop_front();
  }
  Wake();
  return true;
}

void Feed::Drop() {
  dropped_ = true;
  wake_ = nullptr;
  for (std::deque<Piece>* pieces : {&sent_, &unsent_}) {
    for (Piece& piece : std::exchange(*pieces, {})) {
      Call(std::move(piece.done));
    }
  }
}

std::shared_ptr<Feed> Feeds::Add(uint64_t run, const sandbox::Spec& spec) {
  if (!spec.live_input) {
    return nullptr;
  }
  auto feed = std::make_shared<Feed>(loop_);
  feed->Write(spec.stdin_data, nullptr);
  feeds_[run] = feed;
  return feed;
}

void Feeds::Remove(uint64_t run) {
  if (const auto found = feeds_.find(run); found != feeds_.end()) {
    found->second->Drop();
    feeds_.erase(found);
  }
}

Feed* Feeds::Find(uint64_t run) const {
  const auto found = feeds_.find(run);
  return found == feeds_.end() ? nullptr : found->second.get();
}

void Feeds::Write(uint64_t run, std::string data, std::function<void()> done) {
  if (Feed* feed = Find(run)) {
    feed->Write(std::move(data), std::move(done));
  } else {
    boost::asio::post(loop_, std::move(done));
  }
}

void Feeds::CloseInput(uint64_t run) {
  if (Feed* feed = Find(run)) {
    feed->CloseInput();
  }
}

void Feeds::Resize(uint64_t run, sandbox::TerminalSize size) {
  if (Feed* feed = Find(run)) {
    feed->Resize(size);
  }
}

void Feeds::Signal(uint64_t run, int signal) {
  if (Feed* feed = Find(run)) {
    feed->Signal(signal);
  }
}

}  // namespace docker
