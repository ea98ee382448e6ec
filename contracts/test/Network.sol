// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Distributor} from "../src/Distributor.sol";
import {EdgeproofToken} from "../src/EdgeproofToken.sol";
import {Parameters, EpochRoot} from "../src/Types.sol";
import {vm} from "./Vm.sol";

/// @notice A small network: epochs of 60 s, four to a root, a window of 100 s, 2 of 3 attestors.
contract Network {
    uint64 constant GENESIS = 1_000_000;
    uint64 constant EPOCH_LENGTH = 60;
    uint64 constant EPOCHS_PER_ROOT = 4;
    uint64 constant WINDOW = 100;
    uint64 constant HALVING = 10;
    uint256 constant CAP = 1000 ether;
    address constant GUARDIAN = address(0x60A4D1A4);
    uint256 constant FIRST_KEY = 0xA11CE;

    Distributor public distributor;
    EdgeproofToken public token;

    constructor() {
        vm.warp(GENESIS);
        distributor = new Distributor(parameters(), attestors(3), 2, GUARDIAN);
        token = distributor.token();
    }

    function parameters() public pure returns (Parameters memory) {
        return Parameters({
            genesis: GENESIS,
            epochLength: EPOCH_LENGTH,
            epochsPerRoot: EPOCHS_PER_ROOT,
            challengeWindow: WINDOW,
            halvingInterval: HALVING,
            initialEpochCap: CAP,
            tokenName: "Edgeproof",
            tokenSymbol: "EDGE"
        });
    }

    function attestors(uint256 count) public pure returns (bytes[] memory signers) {
        signers = new bytes[](count);
        for (uint256 i = 0; i < count; ++i) {
            signers[i] = abi.encodePacked(vm.addr(FIRST_KEY + i));
        }
    }

    /// @notice The first `count` attestors' signatures over `root`.
    function signedBy(uint256 count, EpochRoot memory root) public view returns (bytes memory) {
        bytes[] memory signatures = new bytes[](count);
        for (uint256 i = 0; i < count; ++i) {
            signatures[i] = signature(FIRST_KEY + i, root);
        }
        return abi.encode(attestors(count), signatures);
    }

    function signature(uint256 key, EpochRoot memory root) public view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, distributor.digestOf(root));
        return abi.encodePacked(r, s, v);
    }

    function rootFor(uint64 first, uint64 last, uint256 total) public pure returns (EpochRoot memory) {
        return EpochRoot(first, last, keccak256(abi.encode(first, last, total)), total, keccak256("manifest"));
    }

    function post(EpochRoot memory root) public {
        distributor.post(root, signedBy(2, root));
    }

    function settle(EpochRoot memory root) public {
        post(root);
        vm.warp(block.timestamp + WINDOW);
        distributor.finalise();
    }

    function endEpoch(uint64 epoch) public {
        vm.warp(distributor.endOf(epoch));
    }

    function leaf(address account, uint256 amount) public pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(account, amount))));
    }

    function pair(bytes32 a, bytes32 b) public pure returns (bytes32) {
        return a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
    }
}
