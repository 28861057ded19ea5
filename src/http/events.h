#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/budget.h"
#include "http/message.h"
#include "job/store.h"
#include "service/service.h"

namespace boost::asio {
class io_context;
}

namespace http {

// Where a client's event stream was: the id of the last event that it has.
struct EventId {
  job::OutputPosition position;
  bool at_end = false;  // it has the result: there is nothing more
};

std::string ToString(const EventId& id);
std::optional<EventId> ParseEventId(std::string_view text);

// The body of GET /v1/execute/{id}/events: Server-Sent Events of one job for one client, from its
// status now to its result. What a slow client does not take stays where it is, in the store, so
// this keeps little more than kHighWater; when the store has lost some by then, the next event
// tells how much. On the event loop's thread.
class EventStream final : public BodySource, public std::enable_shared_from_this<EventStream> {
 public:
  // How events are written: as the body says, or each as a line of JSON (job::ToSessionMessage) for
  // a connection that has its own framing and heartbeat.
  enum class Form { kEvents, kMessages };

  // `open`: false once the service may not be called any more. `share` pays for what is kept of the
  // job at its end, once for all streams that tell it at the same time; where there is no room the
  // stream ends, and its client comes again.
  EventStream(boost::asio::io_context& loop, service::Service& service,
              std::shared_ptr<const bool> open, std::string id, service::Caller caller,
              job::OutputPosition from, Budget::Share share = {}, Form form = Form::kEvents);
  ~EventStream() override;

  // Begins to watch the job. It is to be read afterwards, and given to Begin: so no change falls
  // between the two.
  void Watch();
  void Begin(std::shared_ptr<const job::Job> job);

  // Ends it early; the client may go on elsewhere.
  void End();

  std::string Take() override;
  bool ended() const override;

 private:
  enum class Phase {
    kLive,    // the job is not final
    kRest,    // it is, and its result has the rest of the output
    kDrain,   // it is, without a result: what the store still has is told
    kResult,  // all is told but the result
    kEnded,
  };

  struct Timer;
  class Ending;

  struct Side {
    int64_t sent = 0;  // bytes of the stream that the client has been told
    std::string held;  // the beginning of a character whose end has not come yet
    int64_t lost = 0;  // bytes that the store could not tell, to be told with the next event
  };

  void Look();
  void OnLooked(std::shared_ptr<const job::Job> job);
  void BeginEnd(std::shared_ptr<const job::Job> job);
  void Restart(uint64_t run);
  void WatchOutput();
  void WatchUsage();
  void OnChunk(const job::OutputChunk& chunk);
  void Drain();
  void Refill();
  void TellRest();
  void TellEnd();
  void TellResult();
  void TellStatus(const job::Job& job);
  void TellUsage(uint64_t run, const sandbox::LiveUsage& usage);
  void TellOutput(sandbox::Stream stream, std::string_view bytes, bool last);
  void Tell(std::string_view event, const std::string& data);
  void TellHead(std::string_view event, bool at_end);
  void Heartbeat();
  Side& SideOf(sandbox::Stream stream);

  service::Service& service_;
  const std::shared_ptr<const bool> open_;
  const std::string id_;
  const service::Caller caller_;
  const Form form_;
  Budget::Share share_;
  const std::unique_ptr<Timer> timer_;
  Phase phase_ = Phase::kLive;
  std::string pending_;  // encoded events
  bool paused_ = false;  // pending_ is full: the output is watched again when it is taken
  job::Store::WatchHandle changes_;
  job::Store::WatchHandle output_;
  job::Store::WatchHandle usage_;
  bool looking_ = true;       // until Begin
  bool again_ = false;        // something changed while looking
  uint64_t drains_ = 0;       // how often Drain was called
  uint64_t run_ = 0;          // the run whose output is told
  base::Nanos measured_ = 0;  // how long its program had run when its usage was told last
  std::array<Side, 2> sides_;
  std::string status_;              // the last status event's data
  std::shared_ptr<Ending> ending_;  // once it is final
  std::optional<size_t> told_;      // bytes of the result's event, once it has begun
};

}  // namespace http
