// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Distributor} from "../src/Distributor.sol";
import {EdgeproofToken} from "../src/EdgeproofToken.sol";
import {EpochRoot} from "../src/Types.sol";
import {Network} from "./Network.sol";
import {vm, assertEq} from "./Vm.sol";

contract VetoTest is Network {
    function setUp() public {
        endEpoch(9);
    }

    function test_finalise_waits_for_the_window_then_mints_exactly_the_increase() public {
        settle(rootFor(0, 1, CAP));
        post(rootFor(2, 3, CAP + 5));
        uint256 end = block.timestamp + WINDOW;
        vm.warp(end - 1);
        vm.expectRevert(abi.encodeWithSelector(Distributor.ChallengeWindowOpen.selector, end, end - 1));
        distributor.finalise();
        vm.warp(end);
        vm.prank(address(0xBEEF));
        distributor.finalise();
        assertEq(token.totalSupply(), CAP + 5, "supply");
        assertEq(token.balanceOf(address(distributor)), CAP + 5, "held for claims");
        assertEq(distributor.nextEpoch(), 4, "next epoch");
        require(distributor.finalisedRoot().root == rootFor(2, 3, CAP + 5).root, "root");
    }

    function test_a_root_is_finalised_once() public {
        settle(rootFor(0, 1, CAP));
        vm.expectRevert(abi.encodeWithSelector(Distributor.NoPendingRoot.selector));
        distributor.finalise();
    }

    function test_only_the_guardian_vetoes_and_only_a_pending_root() public {
        vm.prank(GUARDIAN);
        vm.expectRevert(abi.encodeWithSelector(Distributor.NoPendingRoot.selector));
        distributor.veto();
        post(rootFor(0, 1, CAP));
        vm.expectRevert(abi.encodeWithSelector(Distributor.NotGuardian.selector, address(this), GUARDIAN));
        distributor.veto();
        _veto();
        vm.expectRevert(abi.encodeWithSelector(Distributor.NoPendingRoot.selector));
        distributor.finalise();
        assertEq(token.totalSupply(), 0, "supply");
    }

    function test_the_window_closes_for_the_guardian_when_it_opens_for_finalising() public {
        post(rootFor(0, 1, CAP));
        uint256 end = block.timestamp + WINDOW;
        vm.warp(end);
        vm.prank(GUARDIAN);
        vm.expectRevert(abi.encodeWithSelector(Distributor.ChallengeWindowClosed.selector, end, end));
        distributor.veto();
    }

    function test_a_vetoed_root_can_be_posted_again_for_the_same_epochs() public {
        post(rootFor(0, 1, 2 * CAP));
        _veto();
        assertEq(distributor.vetoesOf(0, 1), 1, "vetoes");
        settle(rootFor(0, 1, CAP));
        assertEq(token.totalSupply(), CAP, "supply");
    }

    function test_after_two_vetoes_all_attestors_override() public {
        EpochRoot memory root = rootFor(0, 1, CAP);
        for (uint256 i = 0; i < 2; ++i) {
            distributor.post(root, signedBy(3, root));
            require(distributor.pendingRoot().vetoable, "vetoable before two vetoes, whoever signed");
            _veto();
        }
        // k of n alone stay under the guardian.
        post(root);
        _veto();
        distributor.post(root, signedBy(3, root));
        vm.prank(GUARDIAN);
        vm.expectRevert(
            abi.encodeWithSelector(Distributor.RootNotVetoable.selector, uint64(0), uint64(1), uint256(3))
        );
        distributor.veto();
        vm.warp(block.timestamp + WINDOW);
        distributor.finalise();
        assertEq(token.totalSupply(), CAP, "supply");
    }

    function test_vetoes_of_other_epochs_do_not_count() public {
        for (uint64 last = 1; last < 3; ++last) {
            post(rootFor(0, last, CAP));
            _veto();
        }
        EpochRoot memory root = rootFor(0, 3, CAP);
        distributor.post(root, signedBy(3, root));
        require(distributor.pendingRoot().vetoable, "two vetoes of two other ranges");
    }

    function test_nobody_else_mints() public {
        for (uint160 who = 0; who < 3; ++who) {
            address caller = [GUARDIAN, address(this), vm.addr(FIRST_KEY)][who];
            vm.expectRevert(
                abi.encodeWithSelector(EdgeproofToken.NotMinter.selector, caller, address(distributor))
            );
            vm.prank(caller);
            token.mint(caller, 1);
        }
    }

    function test_the_token_cap_is_the_whole_schedule() public view {
        uint256 total;
        for (uint64 era = 0; era < 256; ++era) {
            total += HALVING * distributor.capOf(era * HALVING);
        }
        assertEq(token.cap(), total, "cap");
        assertEq(distributor.capOfRange(0, type(uint64).max), total, "all epochs");
    }

    function _veto() private {
        vm.prank(GUARDIAN);
        distributor.veto();
    }
}
