#pragma once

#include <memory>
#include <string>
#include <vector>

#include "job/fleet.h"
#include "language/language.h"

namespace boost::asio {
class io_context;
}

namespace app {

// This node's part in a fleet of nodes: tells the others what it can run, and learns what they can.
// Lives on the event loop's thread; loop, fleet and registry must outlive it.
class FleetMember {
 public:
  FleetMember(boost::asio::io_context& loop, job::Fleet& fleet);
  ~FleetMember();  // NOLINT(bugprone-exception-escape): as in fleet.cc
  FleetMember(const FleetMember&) = delete;
  FleetMember& operator=(const FleetMember&) = delete;

  // From now on this worker is announced.
  void Announce(job::Worker worker);

  // From now on `languages` says what the workers offer.
  void Follow(language::Registry& languages);

  // The worker is about to stop.
  void Leave();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

// A language is offered when every worker offers it, as any of them may get the job. While no
// worker is known, what was known last is left as it is.
void TakeOver(const std::vector<job::Worker>& workers, language::Registry* languages);

}  // namespace app
