// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Distributor} from "../src/Distributor.sol";
import {EdgeproofToken} from "../src/EdgeproofToken.sol";
import {EpochRoot, PendingRoot} from "../src/Types.sol";
import {Network} from "./Network.sol";
import {vm, assertEq, within} from "./Vm.sol";

/// @notice Everybody at once: a signer who signs anything, a guardian, a clock, claimants.
/// Each action notes in `broken` what it saw go against the rules.
contract Everybody is Network {
    string public broken;
    uint256 public minted;
    uint256 public claimedSum;
    uint256 public finalisations;
    uint256 public vetoes;
    uint256 public posts;
    uint256 public claims;

    modifier supplyStays() {
        uint256 before = token.totalSupply();
        _;
        if (token.totalSupply() != before) broken = "the supply moved without a finalisation";
    }

    function passTime(uint256 seconds_) external supplyStays {
        vm.warp(block.timestamp + within(seconds_, 1, 3 * EPOCH_LENGTH));
    }

    /// Signs anything at all: some calls are legal, most are not.
    function postAnything(uint64 first, uint64 length, uint256 increase, uint8 signers) external supplyStays {
        uint64 next = distributor.nextEpoch();
        first = uint64(within(first, next == 0 ? 0 : next - 1, next + 3));
        length = uint64(within(length, 1, EPOCHS_PER_ROOT + 1));
        increase = within(increase, 0, (length + 1) * CAP);
        _post(first, first + length - 1, increase, within(signers, 1, 3), 2);
    }

    /// The honest case, so that the runs get far: the next ended epochs, within their cap.
    function postHonestly(uint256 increase) external supplyStays {
        uint64 next = distributor.nextEpoch();
        if (block.timestamp < distributor.endOf(next)) vm.warp(distributor.endOf(next));
        _post(next, next, within(increase, 0, distributor.capOf(next)), 2, 1);
    }

    function veto() external supplyStays {
        vm.prank(GUARDIAN);
        try distributor.veto() {
            ++vetoes;
        } catch {}
    }

    function finalise() external {
        uint256 before = token.totalSupply();
        PendingRoot memory pending = distributor.pendingRoot();
        uint64 next = distributor.nextEpoch();
        try distributor.finalise() {
            ++finalisations;
            uint256 increase = token.totalSupply() - before;
            minted += increase;
            if (pending.challengeEndsAt > block.timestamp) broken = "finalised within the window";
            if (pending.body.firstEpoch < next) broken = "an epoch was settled twice";
            if (distributor.endOf(pending.body.lastEpoch) > block.timestamp) broken = "the epoch had not ended";
            if (increase > _naiveCap(pending.body.firstEpoch, pending.body.lastEpoch)) broken = "above the cap";
        } catch {
            if (token.totalSupply() != before) broken = "a failed finalisation minted";
        }
    }

    /// Each root's tree has one leaf for this account: the total, or (in lying roots) twice that.
    function claim(bool twice) external supplyStays {
        uint256 before = token.balanceOf(address(this));
        uint256 amount = distributor.finalisedRoot().cumulativeTotal * (twice ? 2 : 1);
        try distributor.claim(address(this), amount, new bytes32[](0)) {
            ++claims;
            claimedSum += token.balanceOf(address(this)) - before;
        } catch {
            if (token.balanceOf(address(this)) != before) broken = "a failed claim paid";
        }
    }

    function _post(uint64 first, uint64 last, uint256 increase, uint256 signers, uint256 factor) private {
        uint256 total = distributor.finalisedRoot().cumulativeTotal + increase;
        EpochRoot memory root = rootFor(first, last, total);
        root.root = leaf(address(this), factor * total);
        try distributor.post(root, signedBy(signers, root)) {
            ++posts;
            if (signers < 2) broken = "posted with too few signatures";
        } catch {}
    }

    function _naiveCap(uint64 first, uint64 last) private pure returns (uint256 sum) {
        for (uint64 epoch = first; epoch <= last; ++epoch) {
            sum += CAP >> (epoch / HALVING);
        }
    }
}

contract InvariantTest {
    Everybody private everybody;
    Distributor private distributor;
    EdgeproofToken private token;

    function setUp() public {
        everybody = new Everybody();
        distributor = everybody.distributor();
        token = everybody.token();
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    /// Read by forge: which functions the runs may call.
    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](6);
        selectors[0] = Everybody.passTime.selector;
        selectors[1] = Everybody.postAnything.selector;
        selectors[2] = Everybody.postHonestly.selector;
        selectors[3] = Everybody.veto.selector;
        selectors[4] = Everybody.finalise.selector;
        selectors[5] = Everybody.claim.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(everybody), selectors);
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(everybody);
    }

    function invariant_no_action_broke_a_rule() public view {
        require(bytes(everybody.broken()).length == 0, everybody.broken());
    }

    function invariant_supply_is_what_finalisations_minted() public view {
        assertEq(token.totalSupply(), everybody.minted(), "supply");
        assertEq(token.totalSupply(), distributor.finalisedRoot().cumulativeTotal, "total of the root");
    }

    function invariant_supply_stays_within_the_schedule_of_settled_epochs() public view {
        uint64 next = distributor.nextEpoch();
        uint256 schedule = next == 0 ? 0 : distributor.capOfRange(0, next - 1);
        require(token.totalSupply() <= schedule, "supply above the schedule");
        if (next != 0) require(distributor.endOf(next - 1) <= block.timestamp, "settled before its end");
    }

    function invariant_claims_stay_within_what_was_minted() public view {
        uint256 paid = token.balanceOf(address(everybody));
        require(paid <= everybody.minted(), "paid more than minted");
        assertEq(paid + token.balanceOf(address(distributor)), token.totalSupply(), "nothing elsewhere");
        assertEq(everybody.claimedSum(), paid, "what claims said they paid");
    }

    /// The walk must get somewhere, or the invariants above hold of nothing.
    function test_the_actions_reach_finalised_claimed_roots() public {
        for (uint256 i = 0; i < 5; ++i) {
            everybody.postHonestly(100);
            everybody.passTime(179);
            everybody.finalise();
            everybody.claim(false);
        }
        assertEq(everybody.finalisations(), 5, "finalisations");
        assertEq(everybody.claims(), 5, "claims");
        everybody.postHonestly(100);
        everybody.veto();
        assertEq(everybody.vetoes(), 1, "vetoes");
    }
}
