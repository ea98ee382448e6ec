// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {vm, assertEq, text} from "./Vm.sol";

/// The vectors that other implementations are checked with, as a contract sees them.
contract VectorsTest {
    string private vectors = vm.readFile("../tests/vectors/pow.json");

    function test_every_nonce_of_the_vectors_meets_its_target() public view {
        uint256 checked;
        for (uint256 i = 0; vm.keyExistsJson(vectors, at(i, "")); i++) {
            bytes32 seed = bytes32(hexadecimal(at(i, ".seed")));
            uint256 difficulty = vm.parseJsonUint(vectors, at(i, ".difficulty"));
            for (uint256 j = 0; vm.keyExistsJson(vectors, solution(i, j, "")); j++) {
                uint64 nonce = uint64(bytes8(hexadecimal(solution(i, j, ".nonce"))));
                bytes32 digest = keccak256(abi.encodePacked(seed, nonce));
                assertEq(uint256(digest), uint256(bytes32(hexadecimal(solution(i, j, ".digest")))), "digest");
                require(uint256(digest) < 1 << (256 - difficulty), "target");
                checked++;
            }
        }
        require(checked > 8, "vectors are missing");
    }

    function at(uint256 i, string memory rest) private pure returns (string memory) {
        return string.concat("$[", text(i), "]", rest);
    }

    function solution(uint256 i, uint256 j, string memory rest) private pure returns (string memory) {
        return at(i, string.concat(".solutions[", text(j), "]", rest));
    }

    function hexadecimal(string memory path) private view returns (bytes memory) {
        return vm.parseBytes(string.concat("0x", vm.parseJsonString(vectors, path)));
    }
}
