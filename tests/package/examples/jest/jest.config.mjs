export default { transform: {}, testMatch: ['**/*.test.mjs'], testEnvironment: 'node' }
