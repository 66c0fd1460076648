import type { PageTexts } from "../../page-texts.js";

export const en: PageTexts = {
  direction: "ltr",
  title: "A question for you",
  birthDateChoice: "Which of these is your date of birth?",
  birthDateSum: "Add the month and the day of your birth. Which of these is the sum?",
  sumExample: "For 2 January it would be 1 + 2 = 3.",
  noneOfThese: "None of these",
  oneAnswer: "You can answer once. Then you go back to the chat.",
  answerBefore: "Answer before {time} UTC.",
  timeLeft: "Time left: {time}",
  timeIsOver: "The time is over. Go back to the chat.",
  send: "Send",
  chooseOne: "Choose one of the answers.",
  goneTitle: "There is nothing here",
  gone: "This page was answered, its time is over, or there never was one. Go back to the chat and ask for a new link there.",
  indexTitle: "Nothing to do here",
  index: "Pages here are opened by a link that you get in a chat. Go back to the chat.",
};
